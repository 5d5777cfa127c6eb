"""Webhook policy: attempts, delays, signatures, and which addresses are allowed."""
