"""Shadows of rules: copies of live jobs, which workers run when they have nothing else to do."""
