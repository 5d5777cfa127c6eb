"""What an experiment claims, and whether its measurements bear it out."""
