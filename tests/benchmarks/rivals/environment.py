"""The interpreter of celery-batches, which needs an older Celery and so an environment of its own."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.environment import python_with

PINS = Path(__file__).with_name("requirements.txt")


def older_python() -> str:
    """Return an interpreter with the pinned packages."""
    return python_with("rivals", PINS)
