"""Learns the simulation's times from batches that ran: robustly, and newer batches count more. Pure."""
