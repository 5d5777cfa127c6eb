"""Decisions about loading: what failed and rests, and what a worker is to hold in memory."""
