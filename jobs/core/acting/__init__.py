"""What an operator does to many jobs: which ones, and how fast. Pure."""
