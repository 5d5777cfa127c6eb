"""What only the image of gpu-worker has, and an environment of processes that can import none of it."""

from __future__ import annotations

import os
import re
from importlib.metadata import packages_distributions
from pathlib import Path

from inference_site.stack.services import PROJECT

# Written into a folder of the path, Python imports it at its start.
BLOCK = """
import sys
for name in {names!r}:
    sys.modules[name] = None
"""


def locked(lock: str) -> set[str]:
    """Return the names of the distributions in a lock of compose/."""
    return set(re.findall(r"(?m)^([a-z0-9._-]+)==", (PROJECT / "compose" / lock).read_text()))


def frameworks() -> set[str]:
    """Return the installed modules that the worker's lock brings, and the other lock does not."""
    only = locked("runtime.lock") - locked("web.lock")
    return {
        module
        for module, owners in packages_distributions().items()
        if owners and all(re.sub(r"[-_.]+", "-", owner).lower() in only for owner in owners)
    }


def without_frameworks(folder: Path) -> dict[str, str]:
    """Return the environment of a process that cannot import a framework."""
    (folder / "sitecustomize.py").write_text(BLOCK.format(names=sorted(frameworks())))
    path = os.pathsep.join(filter(None, (str(folder), str(PROJECT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}
