"""Trials of versions: their requests, their counts and their reports. Pure."""
