"""The batching policy: which jobs run together, when, and why."""
