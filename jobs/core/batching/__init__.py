"""The batching policy: which jobs run together, when they run, and why."""
