"""Loads beside the batches: one thread that loads versions, and what decides which ones are loaded."""
