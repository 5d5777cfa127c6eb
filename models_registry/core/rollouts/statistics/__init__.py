"""The exact tests of a roll-out: e-values that hold at every look, and how much they need to see."""
