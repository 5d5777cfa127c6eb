"""Roll-outs of versions: who gets what, and what it led to."""
