"""Routes by which works come in: drafts, depositions and their files."""
