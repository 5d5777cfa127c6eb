"""Django's DATABASES and STORAGES, made of the configuration."""

from __future__ import annotations

from collections.abc import MutableMapping

from psycopg import IsolationLevel

from inference_site.config import Config
from jobs.db.address import parameters


def django_storages(config: Config) -> dict[str, dict[str, object]]:
    """Return Django's STORAGES; `payloads` holds large inputs and outputs, `artifacts` models.

    The storage reads a bucket's keys from AWS's own variables.
    """
    files: dict[str, object] = {
        "BACKEND": "jobs.payloads.file_storage.PayloadFiles",
        "OPTIONS": {"location": config.payload_dir},
    }
    bucket: dict[str, object] = {
        "bucket_name": config.payload_bucket,
        "endpoint_url": config.payload_endpoint_url or None,
        "region_name": config.payload_region or None,
        "addressing_style": config.payload_addressing,
        "file_overwrite": False,
    }
    s3: dict[str, object] = {"BACKEND": "jobs.payloads.s3_storage.PayloadBucket", "OPTIONS": bucket}
    stored = s3 if config.payload_storage == "s3" else files
    return {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        "payloads": stored,
        "artifacts": stored,
    }


def django_database(config: Config) -> dict[str, object]:
    """Return Django's DATABASES entry; the whole of the URL counts, as psycopg itself reads it."""
    given = parameters(config.database_url or "postgresql:///not-set")
    named = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    pooled = bool(config.database_direct_url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{name: str(given.pop(parameter, "")) for name, parameter in named.items()},
        "OPTIONS": {**given, "application_name": "web", "isolation_level": IsolationLevel.READ_COMMITTED},
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,  # a restart or an idle timeout may have ended it since the last request
        "DISABLE_SERVER_SIDE_CURSORS": pooled,
    }


def pin_pooled_sessions(config: Config, environ: MutableMapping[str, str]) -> None:
    """Let libpq send, at every connect, the settings that a pooler keeps for each of its clients."""
    if config.database_direct_url:
        environ.update(PGDATESTYLE="ISO", PGTZ="UTC")
