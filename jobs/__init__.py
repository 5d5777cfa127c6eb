"""The life of a job: admitted, published, claimed, run, settled, and found again."""
