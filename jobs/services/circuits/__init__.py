"""Circuits as stored: opened, probed, closed and shown."""
