"""Django system checks: a process with a mistake in its configuration says so and does not start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from jobs.payloads.object_store import storage
from models_registry.models import ModelVersion

MISTAKE, NO_KEY, NO_STORAGE = "jobs.E001", "jobs.E002", "jobs.E003"
HALF_OPEN = "jobs.W001"


@register()
def check_environment(**_kwargs: Any) -> list[CheckMessage]:
    """Return an error for each environment variable that cannot be used."""
    hint = "The environment variable is read when the process starts; set it and start again."
    return [Error(mistake, hint=hint, id=MISTAKE) for mistake in settings.INFERENCE.mistakes]


@register()
def check_storage(**_kwargs: Any) -> list[CheckMessage]:
    """Return an error where the storage of payloads cannot be had at all; nothing is asked of it."""
    try:
        storage()
    except ImproperlyConfigured as error:
        hint = "For PAYLOAD_STORAGE=s3 install django-storages[s3]."
        return [Error(f"Payloads cannot be stored: {error}", hint=hint, id=NO_STORAGE)]
    return []


@register(Tags.database)
def check_payload_keys(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Return an error where a registered version encrypts and there is no key to do it with."""
    if not databases or settings.INFERENCE.payload_keys:
        return []
    try:
        rows = ModelVersion.objects.select_related("model").filter(options__encrypt=True)
        found = [str(row) for row in rows]
    except DatabaseError:  # there are no tables yet
        return []
    text = f"PAYLOAD_KEYS is not set, and these versions are encrypted: {', '.join(found)}."
    return [Error(text, hint="Their jobs are refused until it is.", id=NO_KEY)] if found else []


@register(Tags.security, deploy=True)
def check_https(**_kwargs: Any) -> list[CheckMessage]:
    """Return a warning for each way by which a token could travel in the clear, or a redirect for ever."""
    config, found = settings.INFERENCE, list[str]()
    if not config.https:
        return []  # Django's own checks say so
    if not config.stream_url.startswith("https://"):
        found.append("API_URL is https and STREAM_URL is not: a token for it travels in the clear.")
    if not config.trusted_proxy_hops:
        found.append("API_URL is https and TRUSTED_PROXY_HOPS is 0: nobody is believed who says that it was.")
    return [Caution(text, id=HALF_OPEN) for text in found]
