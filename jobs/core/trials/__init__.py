"""Trials of versions: what is asked for, what is counted, and the report. Pure."""
