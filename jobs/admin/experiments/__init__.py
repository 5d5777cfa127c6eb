"""Experiments on record, read-only."""
