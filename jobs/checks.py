"""Django system checks: a process with a mistake in its configuration says so and does not start."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

MISTAKE = "jobs.E001"


@register()
def check_environment(**_kwargs: Any) -> list[CheckMessage]:
    """Return an error for each environment variable that cannot be used."""
    hint = "The environment variable is read when the process starts; set it and start again."
    return [Error(mistake, hint=hint, id=MISTAKE) for mistake in settings.INFERENCE.mistakes]
