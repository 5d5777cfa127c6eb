"""The pages of metrics: each process serves its own, and those of a web server one page together."""
