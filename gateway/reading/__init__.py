"""Routes that read what is published, and the instance's own state."""
