"""Django's DATABASES and STORAGES, made of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from inference_site.config import Config

# The loss of a database host is noticed in seconds; the system's own limits are hours.
DATABASE_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def django_storages(config: Config) -> dict[str, dict[str, object]]:
    """Return Django's STORAGES; `payloads` holds large inputs and outputs.

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
    return {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        "payloads": s3 if config.payload_storage == "s3" else files,
    }


def django_database(url: str, options: Mapping[str, int]) -> dict[str, object]:
    """Return Django's DATABASES entry for a `postgresql://user:password@host:port/name` URL."""
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/") or "postgres",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": dict(options),
    }
