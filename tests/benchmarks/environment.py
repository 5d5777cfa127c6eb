"""Virtual environments under `.run/`, for packages that conflict with this project's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from inference_site.stack.services import PROJECT


def python_with(name: str, pins: Path) -> str:
    """Return an interpreter with the pinned packages, made on first use and when the pins change."""
    home = PROJECT / ".run" / name
    python, installed = home / "bin" / "python", home / "installed.txt"
    if not installed.exists() or installed.read_text() != pins.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", str(pins)], check=True, capture_output=True)
        installed.write_text(pins.read_text())
    return str(python)
