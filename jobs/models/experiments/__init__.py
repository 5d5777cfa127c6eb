"""The rows of experiments: what was claimed, what was measured, what came of it."""
