"""Whether a job is taken: load shedding, queue estimates, drain rates, quotas."""
