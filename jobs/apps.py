"""Django's entry to the jobs app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs, batches, workers, tokens and their API."""

    name = "jobs"

    def ready(self) -> None:
        """Register the checks, the audit of logins, what new connections get, and the clock of objects."""
        from jobs import checks  # noqa: F401
        from jobs.db import database_clock, django_connections
        from jobs.payloads import object_store
        from jobs.services.access import logins

        django_connections.register()
        object_store.use_clock(database_clock.now)
        logins.listen()
