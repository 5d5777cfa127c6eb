"""The rows of what operators find jobs by, do to many of them, and pause."""
