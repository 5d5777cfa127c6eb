"""What a loaded model looks like to a worker, whatever framework is behind it."""

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


class Runner(Protocol):
    """One loaded model version; any of its methods may be called from several threads at once.

    A worker has a lane for each batch that runs, another thread that collates ahead, and one that fetches
    outputs and runs the parts of a batch again: a runner locks what it changes. Outputs are as many as the
    items and in their order; an exception in an output's place is that item's own failure. A guilty item may
    raise InvalidInputError or RetryableError; the caller splits a batch that raises until the guilty stands
    alone.
    """

    def key(self, item: Item) -> Hashable:
        """Return what the items of one batch must have in common."""

    def collate(self, items: Sequence[Item]) -> Any:
        """Return the items as one batch: the work of a CPU, such as tokenising, padding, the copy up."""

    def run(self, batch: Any) -> Any:
        """Return the raw outputs of a batch once it has run, be they still on their way from the device."""

    def outputs(self, raw: Any) -> list[Any]:
        """Return one JSON-able output an item, in the items' order."""


@runtime_checkable
class Weighed(Protocol):
    """A runner that knows what it occupies."""

    def memory_bytes(self) -> int:
        """Return the bytes of the loaded model's parameters and buffers."""


def answer(runner: Runner, items: Sequence[Item]) -> list[Any]:
    """Return the outputs of `items` as one batch, all stages in the caller's thread."""
    return runner.outputs(runner.run(runner.collate(items)))
