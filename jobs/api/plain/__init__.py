"""The short road of plain submits: they stay on the event loop, and those of many calls share a statement."""
