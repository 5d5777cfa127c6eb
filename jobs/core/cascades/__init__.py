"""Jobs of a cascade: which they are, how a step ended, and what thresholds would have done."""
