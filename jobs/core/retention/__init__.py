"""How long data is kept, and the partitions that hold it."""
