"""The pages of roll-outs, rules and trials: numbers, pictures, and buttons for those who may act."""
