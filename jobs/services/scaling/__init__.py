"""The rows of autoscalers, and what they read: needs, workers, and each other."""
