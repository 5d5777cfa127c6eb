"""Each command is a few lines over a service."""
