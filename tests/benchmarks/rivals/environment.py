"""The interpreter of celery-batches: it asks for an older Celery, so it has an environment under `.run/`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from inference_site.stack.services import PROJECT

PINS = Path(__file__).with_name("requirements.txt")
HOME = PROJECT / ".run" / "rivals"


def older_python() -> str:
    """Return an interpreter with the pinned packages, made on first use and when the pins change."""
    python, installed = HOME / "bin" / "python", HOME / "installed.txt"
    if not installed.exists() or installed.read_text() != PINS.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(HOME)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", str(PINS)], check=True, capture_output=True)
        installed.write_text(PINS.read_text())
    return str(python)
