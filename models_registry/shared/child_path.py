"""The environment of a child process that imports this tree and runs a model's code."""

from __future__ import annotations

import os
import re
from pathlib import Path

# What names of secrets end in, and the cloud's own: a child runs code of a model, or reads a stranger's file.
_SECRET = re.compile(
    r"(_URL|_KEYS?|_FALLBACKS|_TOKEN|_PASSWORD|_SECRET|_AUTH|_CREDENTIALS)(_B)?(_FILE)?$|^(AWS|PG|VAULT)_?"
)
TREE = Path(__file__).resolve().parents[2]


def child_env() -> dict[str, str]:
    """Return this process's environment without secrets, with this tree among the places of imports."""
    kept = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    places = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), str(TREE)]
    return {**kept, "PYTHONPATH": os.pathsep.join(places)}
