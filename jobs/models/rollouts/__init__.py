"""The rows of roll-outs that jobs and workers write: routes, tallies, evidence, trials."""
