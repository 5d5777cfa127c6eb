"""Trials of versions on a worker's device, beside the pipeline and only where that does not slow it."""
