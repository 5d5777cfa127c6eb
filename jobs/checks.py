"""Django system checks: a process with a mistake in its configuration reports it and does not start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from jobs.payloads.object_store import storage
from jobs.services.webhooks.http_post import trusted
from models_registry.core.patterns import patterns, refusal
from models_registry.core.refs import SLOW_ENDING
from models_registry.models import ModelVersion, RegisteredModel

MISTAKE, NO_KEY, NO_STORAGE, NO_AUTHORITIES = "jobs.E001", "jobs.E002", "jobs.E003", "jobs.E004"
TAKEN_NAME = "jobs.E005"
HALF_OPEN, ONE_FACTOR, OLD_PATTERN = "jobs.W001", "jobs.W002", "jobs.W007"


@register()
def check_environment(**_kwargs: Any) -> list[CheckMessage]:
    """Return an error for each environment variable that cannot be used."""
    hint = "The environment variable is read when the process starts; set it and start again."
    return [Error(mistake, hint=hint, id=MISTAKE) for mistake in settings.INFERENCE.mistakes]


@register()
def check_storage(**_kwargs: Any) -> list[CheckMessage]:
    """Return an error if the storage of payloads cannot be created; the storage is not called."""
    try:
        storage()
    except ImproperlyConfigured as error:
        hint = "For PAYLOAD_STORAGE=s3 install django-storages[s3]."
        return [Error(f"Payloads cannot be stored: {error}", hint=hint, id=NO_STORAGE)]
    return []


@register()
def check_webhook_authorities(**_kwargs: Any) -> list[CheckMessage]:
    """Return an error if WEBHOOK_CA_FILE cannot be read."""
    if not (path := settings.INFERENCE.webhook_ca_file):
        return []
    try:
        trusted(path)
    except OSError as error:
        hint = "It is a PEM file that every CPU worker can read."
        return [Error(f"WEBHOOK_CA_FILE={path}: {error}", hint=hint, id=NO_AUTHORITIES)]
    return []


@register(Tags.database)
def check_payload_keys(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Return an error if a registered version encrypts but no key is set."""
    if not databases or settings.INFERENCE.seals:
        return []
    try:
        rows = ModelVersion.objects.select_related("model").filter(options__encrypt=True)
        versions = [str(row) for row in rows]
    except DatabaseError:  # the tables do not exist yet
        return []
    text = f"PAYLOAD_KEYS is not set, and these versions are encrypted: {', '.join(versions)}."
    return [Error(text, hint="Their jobs are refused until it is.", id=NO_KEY)] if versions else []


@register(Tags.database)
def check_model_names(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Return an error for each model, registered before slow lanes, whose queue would be taken for one."""
    if not databases:
        return []
    try:
        names = list(
            RegisteredModel.objects.filter(name__endswith=SLOW_ENDING).values_list("name", flat=True)
        )
    except DatabaseError:  # the tables do not exist yet
        return []
    hint = "Rename it before the upgrade, as the page of operations says under Workers for one lane."
    return [
        Error(
            f"The model {name} would get no jobs: its queue has the name of the slow lane of"
            f" {name.removesuffix(SLOW_ENDING)}.",
            hint=hint,
            id=TAKEN_NAME,
        )
        for name in names
    ]


@register(Tags.database)
def check_patterns(*, databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Return a warning for each registered version with a pattern that could not be registered any more."""
    if not databases:
        return []
    try:
        rows = list(ModelVersion.objects.select_related("model"))
    except DatabaseError:  # the tables do not exist yet
        return []
    hint = "Its jobs are refused with the code invalid_input. Register a version with another pattern."
    return [
        Caution(f"{row}: the pattern {pattern[:200]!r} is refused: {reason}.", hint=hint, id=OLD_PATTERN)
        for row in rows
        for pattern in dict.fromkeys([*patterns(row.input_schema), *patterns(row.output_schema)])
        if (reason := refusal(pattern))
    ]


@register(Tags.security, deploy=True)
def check_https(**_kwargs: Any) -> list[CheckMessage]:
    """Return a warning for each setting that sends tokens unencrypted, or redirects without end."""
    config, warnings = settings.INFERENCE, list[str]()
    if not config.https:
        return []  # Django's own checks report it
    if not config.stream_url.startswith("https://"):
        warnings.append("API_URL is https and STREAM_URL is not: tokens for it are sent unencrypted.")
    if not config.trusted_proxy_hops:
        warnings.append(
            "API_URL is https and TRUSTED_PROXY_HOPS is 0: no proxy may say that a request was https."
        )
    return [Caution(text, id=HALF_OPEN) for text in warnings]


@register(Tags.security, deploy=True)
def check_second_factor(**_kwargs: Any) -> list[CheckMessage]:
    """Return a warning if a stolen password alone opens the admin."""
    if settings.INFERENCE.admin_two_factor:
        return []
    text = "ADMIN_TWO_FACTOR is not set: a password alone opens the admin."
    hint = "Set it to true, and run `manage.py two_factor USER` for each user of the admin."
    return [Caution(text, hint=hint, id=ONE_FACTOR)]
