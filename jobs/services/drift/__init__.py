"""Drift: sketches of what jobs are like, the reference, the comparison by the hour, and alarms."""
