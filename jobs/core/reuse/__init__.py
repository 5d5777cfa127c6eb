"""When identical jobs share one result: cache keys, and followers of a job in flight."""
