"""Roll-outs: a candidate reaches all traffic of an alias by itself, or goes back by itself."""
