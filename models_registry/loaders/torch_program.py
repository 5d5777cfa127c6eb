"""TorchScript and torch.export programs: for trusted artifacts only, because their formats can run code."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from models_registry.core.registry_errors import BadOutputError, InvalidInputError
from models_registry.core.runner import Item
from models_registry.loaders.loader_options import ProgramOptions
from models_registry.loaders.memory import weight_bytes
from models_registry.loaders.transfer import transfer_to


class TensorProgram:
    """Stacks inputs `{"data": nested numbers}` to one tensor; each output is `{"data": nested numbers}`.

    A program that returns several tensors needs as many names in the option `outputs`.
    """

    def __init__(self, program: Any, options: ProgramOptions, device: str) -> None:
        import torch

        self._torch, self._program = torch, program
        self._transfer = transfer_to(torch, torch.device(device))
        self._input, self._outputs = options.input, options.outputs
        self._dtype = getattr(torch, options.dtype)

    def key(self, item: Item) -> Hashable:
        """Return the shape: only tensors of the same shape can be stacked."""
        return _shape(item.input.get(self._input) if isinstance(item.input, dict) else None)

    def collate(self, items: Sequence[Item]) -> Any:
        """Return the items' tensors, stacked and on their way to the device."""
        rows = [_numbers(item.input, self._input) for item in items]
        try:
            stacked = self._torch.tensor(rows, dtype=self._dtype)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InvalidInputError(f"The input is not a tensor of numbers: {error}") from None
        return self._transfer.send({"stacked": stacked})

    def run(self, batch: Any) -> Any:
        """Return the program's tensor or tensors, on their way back from the device."""
        with self._torch.inference_mode():
            raw = self._program(self._transfer.arrive(batch)["stacked"])
        del batch  # the input leaves the device before the outputs have
        return self._transfer.send_back(raw if isinstance(raw, (tuple, list)) else [raw])

    def outputs(self, raw: Any) -> list[Any]:
        """Return an object of named outputs for each item."""
        tensors = self._transfer.arrive_back(raw)
        _check_shapes(tensors, self._outputs)
        columns = [tensor.tolist() for tensor in tensors]
        return [dict(zip(self._outputs, row, strict=True)) for row in zip(*columns, strict=True)]

    def memory_bytes(self) -> int:
        """Return the bytes of the program's parameters and buffers."""
        return weight_bytes([self._program])


def load_torchscript(path: Path, options: ProgramOptions, device: str) -> TensorProgram:
    """Return the TorchScript program in the file; the caller has checked permission."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the operator knows that TorchScript is old
        return TensorProgram(torch.jit.load(str(path), map_location=device).eval(), options, device)


def load_exported(path: Path, options: ProgramOptions, device: str) -> TensorProgram:
    """Return the torch.export program in the file; the caller has checked permission."""
    import torch
    from torch.export.passes import move_to_device_pass

    program = torch.export.load(str(path))
    return TensorProgram(move_to_device_pass(program, device).module(), options, device)


def _check_shapes(tensors: Sequence[Any], names: Sequence[str]) -> None:
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if len(shapes) != len(names):
        raise BadOutputError(
            f"The program returned {len(shapes)} tensors for the {len(names)} names in `outputs`."
        )
    if len({shape[:1] for shape in shapes}) != 1 or not shapes[0]:
        raise BadOutputError(
            f"The program returned tensors of shapes {shapes}, not with a row for each item."
        )


def _numbers(value: Any, name: str) -> Any:
    if not isinstance(value, dict) or name not in value:
        raise InvalidInputError(f'The input has no {name}: {{"{name}": nested numbers}} is expected.')
    return value[name]


def _shape(value: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)
