"""Samples of settled jobs, read on a thread of their own into sketches by version, hour and field."""
