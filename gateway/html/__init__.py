"""Templates and forms that pages are made of."""
