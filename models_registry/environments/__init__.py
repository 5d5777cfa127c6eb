"""Environments in which workers run models whose libraries are not those of the platform."""
