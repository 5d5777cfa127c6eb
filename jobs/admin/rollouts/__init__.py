"""The pages of roll-outs and rules: how each stands, in numbers and pictures, and the buttons of those who may act."""
