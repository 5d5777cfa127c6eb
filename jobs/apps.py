"""Django's entry to the jobs app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs, batches, workers, tokens and their API."""

    name = "jobs"

    def ready(self) -> None:
        """Register the system checks by importing them."""
        from jobs import checks  # noqa: F401
