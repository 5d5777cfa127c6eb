"""Jobs of cascades: where they are, how they go to the next step, and when an earlier answer stands."""
