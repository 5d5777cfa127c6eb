"""Prometheus and its tool: those on the PATH, else Debian's, unpacked once without root."""

from __future__ import annotations

import shutil
from pathlib import Path

from inference_site.stack import debian
from inference_site.stack.debian import Package
from inference_site.stack.stack_errors import StackError

PROJECT = Path(__file__).resolve().parents[2]
UNPACK_ROOT = PROJECT / ".run" / "prometheus-root"
PACKAGE = Package("prometheus", (), "PATH")  # its two programs need no other package


def find_tool(name: str, unpack_root: Path = UNPACK_ROOT) -> Path:
    """Return the program `prometheus` or `promtool`; StackError where it cannot be had."""
    if found := shutil.which(name):
        return Path(found)
    if not debian.offered():
        raise StackError(f"no {name}: install the package prometheus, or put {name} on the PATH")
    return debian.unpacked(unpack_root, PACKAGE) / "usr/bin" / name
