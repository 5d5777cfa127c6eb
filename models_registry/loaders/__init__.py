"""From an artifact to a runner: the only place that imports machine-learning frameworks, and that late."""
