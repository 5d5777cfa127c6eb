"""The batching consumer inside a Celery worker."""
