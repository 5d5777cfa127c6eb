"""Shadows: how many copies run at once, and what the copies that ran have shown."""
