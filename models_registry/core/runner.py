"""The interface of a loaded model to a worker, the same for every framework."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

NO_PARAMETERS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Item:
    """One job's input and parameters, decoded from JSON."""

    input: Any
    parameters: Mapping[str, Any] = field(default_factory=lambda: NO_PARAMETERS)


@dataclass(frozen=True, slots=True)
class FileInput:
    """A file in an item's input, for a runner that has `takes_files = True`; others get base64 text."""

    body: bytes
    media_type: str


class Runner(Protocol):
    """One loaded model version; any of its methods may be called from several threads at once.

    A model needs to have `run` only: `models_registry.core.own_model.completed` adds the other methods.

    A worker has a thread for each running batch, one that collates ahead, and one that fetches outputs and
    runs the parts of a failed batch again: a runner must lock the state that it changes. There is one output
    for each item, in the items' order; an exception in place of an output fails that item alone. An item may
    raise InvalidInputError or RetryableError; the caller splits a batch that raises until it has found the
    item that does.
    """

    def key(self, item: Item) -> Hashable:
        """Return a value that must be equal for all items of one batch."""

    def collate(self, items: Sequence[Item]) -> Any:
        """Return the items as one batch: CPU work such as tokenising, padding, copying to a device."""

    def run(self, batch: Any) -> Any:
        """Return the raw outputs of a batch that has run; they may still be on their way from the device."""

    def outputs(self, raw: Any) -> list[Any]:
        """Return an output for each item, fit for JSON or an `Output` of bytes, in the items' order."""


@runtime_checkable
class Weighed(Protocol):
    """A runner that knows how much memory it occupies."""

    def memory_bytes(self) -> int:
        """Return the bytes of the loaded model's parameters and buffers."""


def takes_files(runner: object) -> bool:
    """Return whether a runner gets uploaded files as FileInput."""
    return bool(getattr(runner, "takes_files", False))


@runtime_checkable
class Clipped(Protocol):
    """A runner that reads no more than the start of a long input."""

    @property
    def longest_bytes(self) -> int | None:
        """Return the bytes of an input from which on it is as long as any; None where nothing is cut off."""


@runtime_checkable
class Warmed(Protocol):
    """A runner that has more to prepare than its example shows, such as compiled kernels."""

    def warm(self, max_batch: int) -> None:
        """Run batches of the sizes and lengths that jobs may bring, up to `max_batch` items."""


def schemas_of(runner: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON Schemas of inputs and outputs that a runner derives in `schemas()`; else empty ones."""
    derive = getattr(runner, "schemas", None)
    return derive() if callable(derive) else ({}, {})


def answer(runner: Runner, items: Sequence[Item]) -> list[Any]:
    """Return the outputs of `items`, run as one batch in the caller's thread."""
    return runner.outputs(runner.run(runner.collate(items)))
