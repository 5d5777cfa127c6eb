"""What the command for acts on many jobs is made of."""
