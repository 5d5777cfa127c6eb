"""How artifacts become runners; the only place that knows an ML framework."""
