"""Copies of live jobs, run by both versions of a shadow while the worker has nothing else to do."""
