"""What follows a failed attempt: another one after a delay, or a dead letter."""
