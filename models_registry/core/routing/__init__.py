"""Routing: the rule of an alias and the decision for one job, as values. Pure."""
