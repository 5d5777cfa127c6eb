"""The logs of every process: their format, levels and streams."""
