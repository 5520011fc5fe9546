"""Communities and their members, and what people ask of each other."""
