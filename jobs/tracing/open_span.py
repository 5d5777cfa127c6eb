"""What the platform does with a span that it has started; only the recorder knows whose class it is."""

from __future__ import annotations

from typing import Literal, Protocol

from jobs.tracing.trace_context import TraceContext

Kind = Literal["server", "client", "producer", "consumer", "internal"]
Value = str | int | float | bool
SYSTEM = "rabbitmq"


class OpenSpan(Protocol):
    """A span that has begun; times are in nanoseconds since 1970."""

    @property
    def place(self) -> TraceContext:
        """Return its place, for the spans that follow from it."""

    def link(self, place: TraceContext) -> None:
        """Link it to another span."""

    def note(self, **attributes: Value) -> None:
        """Add attributes; `__` in a name stands for a dot."""

    def event(self, name: str, at_ns: int, **attributes: Value) -> None:
        """Add an event."""

    def fail(self, error: str) -> None:
        """Mark it as failed with a code, which is no text that a user or model wrote."""

    def end(self, at_ns: int | None = None) -> None:
        """End it, now unless a time is given; only the first call counts."""


def messaging(operation: str, kind: str, model: str) -> dict[str, Value]:
    """Return the attributes that every span about messages of a model has, by the conventions."""
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        "messaging.destination.name": f"infer.{model}",
    }
