"""Trees of files, each where another kind of source lies."""
