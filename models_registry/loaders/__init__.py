"""From an artifact to a runner: the only package that imports machine-learning frameworks, at first use."""
