"""How many workers each model should have, and how hosts share them: decisions without I/O."""
