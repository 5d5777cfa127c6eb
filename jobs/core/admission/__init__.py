"""Whether a job is admitted: queue counts and estimates, drain rates, load shedding, quotas."""
