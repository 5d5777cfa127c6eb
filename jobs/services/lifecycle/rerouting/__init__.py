"""Jobs of roll-outs: watched versions, what a candidate may claim, and how jobs change their version."""
