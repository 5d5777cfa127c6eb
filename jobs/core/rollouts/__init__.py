"""Requests on rules and roll-outs, read strictly. Pure."""
