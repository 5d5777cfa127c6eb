"""Cached results, and jobs that follow an identical job in flight."""
