"""Webhooks: registered with the job, dispatched when it ends, delivered by a task."""
