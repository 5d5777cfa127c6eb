"""What changes a job: each module is a verb, opens its own transaction and takes keyword arguments."""
