"""The environment of each service as compose.yaml says it, with this machine's paths for the container's."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from inference_site.stack.services import PROJECT

COMPOSE = PROJECT / "compose"
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(?::([-?])([^}]*))?\}")
SECRETS = "/run/secrets/"


@functools.cache
def compose_file() -> dict[str, Any]:
    """Return what compose.yaml says."""
    whole: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    return whole


def environment(service: str, *, values: Mapping[str, str], folders: Mapping[str, Path]) -> dict[str, str]:
    """Return a service's variables; `values` are those of `.env`, `folders` by the container's paths."""
    own = compose_file()["services"][service].get("environment") or {}
    filled = {name: _filled(str(value), values) for name, value in own.items()}
    return {name: _moved(value, folders) for name, value in filled.items() if value}


def _filled(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, kind, word = match.groups()
        if kind == "?":
            return values[name]
        return values.get(name) or word or ""

    return VARIABLE.sub(value, text)


def _moved(value: str, folders: Mapping[str, Path]) -> str:
    """Return a path of this machine for one of the container; a secret's is that of its file."""
    if value.startswith(SECRETS):
        file = compose_file()["secrets"][value.removeprefix(SECRETS)]["file"]
        value = f"/{file.removeprefix('./')}"
    for place in sorted(folders, key=len, reverse=True):
        if value == place or value.startswith(f"{place}/"):
            return f"{folders[place]}{value.removeprefix(place)}"
    return value
