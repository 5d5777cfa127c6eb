"""The commit of the working tree and the settings of the platform: what a measurement stands on."""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

from django.conf import settings

from jobs.core.errors import DirtyTreeError
from jobs.services.experiments.experiment_rows import Ground
from models_registry.management.actor import actor

ROOT = Path(__file__).parents[3]
# Neither a secret nor an address, which may hold one, becomes a row.
SECRET = re.compile(r"SECRET|KEY\b|TOKEN|PASSWORD|URL|AUTH|AUDIT_EXPORT")
PLAIN = (bool, int, float, str)


def measured_ground() -> Ground:
    """Return commit and settings; DirtyTreeError where files differ from the commit, or there is none."""
    if changed := _git("status", "--porcelain"):
        first = changed.splitlines()[0].strip()
        raise DirtyTreeError(f"The working tree differs from its commit ({first}): commit or stash it first.")
    return Ground(revision=_git("rev-parse", "HEAD"), settings=_settings(), actor=actor())


def _git(*words: str) -> str:
    try:
        return subprocess.run(
            ["git", *words], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        raise DirtyTreeError(
            "There is no git working tree here, so the revision is unknown: run it in a checkout."
        ) from None


def _settings() -> dict[str, Any]:
    """Return the settings of this process by the names of their variables."""
    config = settings.INFERENCE
    names = (own.name for own in fields(config) if own.repr and own.name != "mistakes")  # a remark on them
    values = ((name.upper(), getattr(config, name)) for name in names)
    return {name: _plain(value) for name, value in values if not SECRET.search(name)}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; one of several words as its variable has it."""
    return value if value is None or isinstance(value, PLAIN) else ",".join(map(str, value))
