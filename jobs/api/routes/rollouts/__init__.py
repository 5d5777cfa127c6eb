"""The calls on rules, roll-outs and the states of versions: what answers for an alias, and who decides."""
