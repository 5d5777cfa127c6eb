"""Trials of versions beside the jobs of clients: gates, duels and backtests, which workers run."""
