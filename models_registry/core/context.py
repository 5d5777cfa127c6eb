"""How a running batch reports progress and checks for cancellation, by the index of an item in its batch.

    def run(self, batch, context=SILENT):
        for step in range(10):
            context.progress(0, step / 10, "denoising")
            if context.cancelled(0):
                break

A runner whose `run` has no parameter of that name gets no context, and pays nothing for it.
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
    """The part of an item that is done, 0 to 1, and a message for people."""

    fraction: float
    message: str


class Context(Protocol):
    """The methods may be called from any thread, and often: of an item's reports the newest counts."""

    def progress(self, index: int, fraction: float, message: str = "") -> None:
        """Report the part of an item that is done; ValueError unless it is within 0 and 1."""

    def cancelled(self, index: int) -> bool:
        """Return whether the item's job was cancelled: its output will be dropped."""


class Silent:
    """A context that passes nothing on, for a run without jobs: a warm-up, a test of a model."""

    def progress(self, index: int, fraction: float, message: str = "") -> None:
        """Check the report."""
        del index
        progress_of(fraction, message)

    def cancelled(self, index: int) -> bool:
        """Return False."""
        del index
        return False


SILENT: Context = Silent()


class InContext(Runner, Protocol):
    """A runner whose `run` takes a context."""

    def run(self, batch: Any, context: Context = SILENT) -> Any:
        """Return the raw outputs of a batch."""


def takes_context(runner: Runner) -> TypeGuard[InContext]:
    """Return whether a runner's `run` has a parameter `context`."""
    return _has_parameter(type(runner))


def progress_of(fraction: float, message: str) -> Progress:
    """Return a report as it can be stored and sent; ValueError unless `fraction` is within 0 and 1."""
    value = float(fraction)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"The fraction of an item that is done must be within 0 and 1, not {value}.")
    text = str(message)[:MAX_MESSAGE].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return Progress(value, text.encode("utf-8", "replace").decode())  # Postgres takes no lone surrogate


@cache
def _has_parameter(kind: type) -> bool:
    run = getattr(kind, "run", None)
    return run is not None and PARAMETER in signature(run).parameters
