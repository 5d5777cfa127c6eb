"""Django's entry to the jobs app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs, batches, workers, tokens and their API."""

    name = "jobs"

    def ready(self) -> None:
        """Register the checks and the audit of logins; give connections, objects and keys what they need."""
        from jobs import checks  # noqa: F401
        from jobs.db import database_clock, django_connections
        from jobs.payloads import object_store, vault
        from jobs.services.access import logins
        from jobs.services.access.data_key_rows import StoredDataKeys

        django_connections.register()
        object_store.use_clock(database_clock.now)
        vault.use_rows(StoredDataKeys())
        logins.listen()
