"""Roll-outs: plan, states and the judge, as values. Pure."""
