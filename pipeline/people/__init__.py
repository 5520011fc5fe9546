"""People: how they sign in, and with whom they share what is theirs."""
