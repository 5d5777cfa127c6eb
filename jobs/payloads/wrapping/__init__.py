"""Wrapping keys: what encrypts the clients' data keys."""
