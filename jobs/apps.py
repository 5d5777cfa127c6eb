"""Django's entry to the jobs app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs, batches, workers, tokens and their API."""

    name = "jobs"

    def ready(self) -> None:
        """Register the system checks and what is done with each new connection of Django's."""
        from jobs import checks  # noqa: F401
        from jobs.db import django_connections

        django_connections.register()
