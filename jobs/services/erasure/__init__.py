"""Erases jobs: one, or all of a subject; what remains is a tombstone without content."""
