"""Django's entry to the jobs app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs, batches, workers, tokens and their API."""

    name = "jobs"
