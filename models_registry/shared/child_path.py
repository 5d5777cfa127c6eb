"""The environment of a child process that imports this tree, wherever its parent was started."""

from __future__ import annotations

import os
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]


def child_env() -> dict[str, str]:
    """Return this process's environment, with this tree among the places that Python imports from."""
    places = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), str(TREE)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
