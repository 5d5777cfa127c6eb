"""Django's entry to the jobs app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs, batches, workers, tokens and their API."""

    name = "jobs"

    def ready(self) -> None:
        """Register the checks, what is done with Django's new connections, and the clock of objects."""
        from jobs import checks  # noqa: F401
        from jobs.db import database_clock, django_connections
        from jobs.payloads import object_store

        django_connections.register()
        object_store.use_clock(database_clock.now)
