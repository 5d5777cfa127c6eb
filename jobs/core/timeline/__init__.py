"""A job's road in time: marks become parts, parts become sentences, and the longest wait gets its cause."""
