"""Where the worker meets Celery: consumer, strategy, control commands, drain, and patches of libraries."""
