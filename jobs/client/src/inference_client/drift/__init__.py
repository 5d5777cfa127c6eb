"""Drift: whether the jobs of a version are still like those at its promotion."""
