"""The inputs and outputs of an ONNX graph, and which of their axes counts the items of a batch.

That axis is removed from what a job sends and gets. It is the first of every input and output, where that
axis is free in all of them. Or it is the one axis with the same name in all outputs and some inputs; inputs
without it, such as a sampling rate, must be equal in a batch. Or each first axis has the length 1, and items
run one after the other. In any other graph items run one after the other, with all axes of the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from models_registry.core.registry_errors import LoadFailedError
from models_registry.loaders.formats.arrays import TEXT, Shape, array_schema

DTYPES = {
    "float": "float32", "double": "float64", "float16": "float16", "bool": "bool",
    "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64",
    "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
}  # fmt: skip
Axes = tuple[int | str | None, ...]
Batch = Literal["auto", "first", "none"]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output: its type, its axes, and which of these counts items (None: none does)."""

    name: str
    dtype: np.dtype[Any] | None  # None: no tensor
    axes: Axes
    batch_axis: int | None = None

    @property
    def shape(self) -> Shape:
        """Return the shape of one item; None for a free axis."""
        kept = (axis for at, axis in enumerate(self.axes) if at != self.batch_axis)
        return tuple(axis if isinstance(axis, int) else None for axis in kept)


@dataclass(frozen=True, slots=True)
class Graph:
    """What a graph takes and gives; with `stacked` items run together, else one after the other."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    stacked: bool

    def input_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of a job's input."""
        ports = {port.name: array_schema(port.dtype or TEXT, port.shape) for port in self.inputs}
        return {"type": "object", "properties": ports, "required": list(ports)}

    def output_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of a job's output."""
        return {"type": "object", "required": [port.name for port in self.outputs]}


def graph_of(inputs: Sequence[Any], outputs: Sequence[Any], batch: Batch) -> Graph:
    """Return the graph of a session's inputs and outputs; LoadFailedError for an input that is no tensor."""
    taken, given = [_port(value) for value in inputs], [_port(value) for value in outputs]
    for port in taken:
        if port.dtype is None:
            raise LoadFailedError(f"The input {port.name!r} is no tensor of numbers or texts.")
    for rule in {"auto": (_by_place, _by_name, _single), "first": (_first,), "none": ()}[batch]:
        found = rule(taken, given)
        if found is not None:
            return found
    return Graph(tuple(taken), tuple(given), stacked=False)


def _port(value: Any) -> Port:
    kind = value.type.removeprefix("tensor(").removesuffix(")")
    dtype = TEXT if kind == "string" else np.dtype(DTYPES[kind]) if kind in DTYPES else None
    axes = tuple(axis if isinstance(axis, int | str) else None for axis in value.shape or ())
    return Port(value.name, dtype, axes)


def _at(ports: Sequence[Port], axis: int | None) -> tuple[Port, ...]:
    return tuple(Port(port.name, port.dtype, port.axes, axis) for port in ports)


def _first(inputs: Sequence[Port], outputs: Sequence[Port]) -> Graph | None:
    return Graph(_at(inputs, 0), _at(outputs, 0), stacked=True)


def _by_place(inputs: Sequence[Port], outputs: Sequence[Port]) -> Graph | None:
    ports = [*inputs, *(port for port in outputs if port.dtype is not None)]
    free = all(port.axes and not isinstance(port.axes[0], int) for port in ports)
    names = {port.axes[0] for port in inputs if port.axes} - {None}
    return _first(inputs, outputs) if free and len(names) <= 1 and inputs else None


def _by_name(inputs: Sequence[Port], outputs: Sequence[Port]) -> Graph | None:
    for name in [axis for port in inputs for axis in port.axes[:1] if isinstance(axis, str)]:
        once = all(port.axes.count(name) == 1 for port in outputs)
        if once and all(port.axes.count(name) <= 1 for port in inputs):
            return Graph(_named(inputs, name), _named(outputs, name), stacked=True)
    return None


def _named(ports: Sequence[Port], name: str) -> tuple[Port, ...]:
    return tuple(
        Port(port.name, port.dtype, port.axes, port.axes.index(name) if name in port.axes else None)
        for port in ports
    )


def _single(inputs: Sequence[Port], outputs: Sequence[Port]) -> Graph | None:
    if all(port.axes[:1] == (1,) for port in (*inputs, *outputs)):
        return Graph(_at(inputs, 0), _at(outputs, 0), stacked=False)
    return None
