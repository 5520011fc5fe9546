"""Methods of routes."""

READ = ["GET", "HEAD"]
"""Of what only reads: the framework adds no HEAD to a GET."""
