"""What a running batch may tell the platform and ask it, by an item's place among those that were collated.

    def run(self, batch, context=SILENT):
        for step in range(10):
            context.progress(0, step / 10, "denoising")
            if context.cancelled(0):
                break

A runner whose `run` has no parameter of that name is given none, and costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Any, Protocol, TypeGuard

from models_registry.core.runner import Runner

MAX_MESSAGE = 200  # characters
PARAMETER = "context"


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of an item is done, 0 to 1, and what a person is told of it."""

    fraction: float
    message: str


class Context(Protocol):
    """May be called from any thread, as often as a model likes: of an item's reports the newest counts."""

    def progress(self, index: int, fraction: float, message: str = "") -> None:
        """Report how much of an item is done; ValueError where that is not within 0 and 1."""

    def cancelled(self, index: int) -> bool:
        """Say whether an item's output is wanted no more: whatever it is, it is dropped."""


class Silent:
    """A context that passes nothing on, for a run of no job: a warm-up, a test of a model."""

    def progress(self, index: int, fraction: float, message: str = "") -> None:
        """Check the report."""
        del index
        progress_of(fraction, message)

    def cancelled(self, index: int) -> bool:
        """Say no."""
        del index
        return False


SILENT: Context = Silent()


class InContext(Runner, Protocol):
    """A runner whose `run` takes a context."""

    def run(self, batch: Any, context: Context = SILENT) -> Any:
        """Return the raw outputs of a batch."""


def takes_context(runner: Runner) -> TypeGuard[InContext]:
    """Say whether a runner's `run` has a parameter `context`."""
    return _has_parameter(type(runner))


def progress_of(fraction: float, message: str) -> Progress:
    """Return a report as it can be stored and sent; ValueError where `fraction` is not within 0 and 1."""
    value = float(fraction)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"a fraction lies within 0 and 1; this is {value}")
    said = str(message)[:MAX_MESSAGE].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return Progress(value, said.encode("utf-8", "replace").decode())  # Postgres takes no lone surrogate


@cache
def _has_parameter(kind: type) -> bool:
    run = getattr(kind, "run", None)
    return run is not None and PARAMETER in signature(run).parameters
