"""Which models there are, which version answers a name, and how its files become a runner."""
