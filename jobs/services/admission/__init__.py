"""Admission control: quotas, counts of what waits, and the decision to admit a job."""
