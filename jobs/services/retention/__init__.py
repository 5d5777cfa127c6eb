"""Deletes what has been kept long enough; rotates the keys of what stays."""
