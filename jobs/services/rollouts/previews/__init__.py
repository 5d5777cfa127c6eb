"""Stored jobs, for previews of rules."""
