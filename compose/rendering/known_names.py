"""The names that a line of `.env` may have, so that a misspelt one is not ignored in silence."""

from __future__ import annotations

import re
from pathlib import Path

from rendering.places import DEFAULTS

OWN = {"CERTIFICATE_DAYS", "PROXY_NAMES", "OWNERS"}
# Docker Compose's own.
COMPOSE = {"COMPOSE_PROJECT_NAME", "COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PATH_SEPARATOR"}
_USED = re.compile(r"\$\{([A-Z][A-Z0-9_]*)")


def known_names(folder: Path, secrets: set[str]) -> frozenset[str]:
    """Return what the compose files in a folder read, and what this program does."""
    used = {match[1] for path in folder.glob("*.yaml") for match in _USED.finditer(path.read_text())}
    return frozenset(used | DEFAULTS.keys() | secrets | OWN | COMPOSE)
