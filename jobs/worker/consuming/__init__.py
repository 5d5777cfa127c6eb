"""The only users of Celery's internals: consumer, strategy, control commands, drain."""
