"""Flags as people handle them, and the switches of jobs; the registry keeps them and decides by them."""
