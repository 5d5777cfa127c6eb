"""TorchScript and torch.export programs: for artifacts the operator trusts, as their formats can run code."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models_registry.core.registry_errors import BadOutputError, InvalidInputError, LoaderRefusedError
from models_registry.core.runner import Item
from models_registry.loaders.memory import weight_bytes
from models_registry.loaders.transfer import transfer_to

DTYPES = frozenset({"float32", "float64", "float16", "bfloat16", "int32", "int64"})


class TensorProgram:
    """Runs `{"data": nested numbers}` stacked to one tensor; answers `{"data": nested numbers}` an item.

    Options: `dtype` of the input, `input` and `outputs`, the names used instead of `data`; a program that
    returns several tensors has as many `outputs`.
    """

    def __init__(self, program: Any, options: Mapping[str, Any], device: str) -> None:
        import torch

        self._torch, self._program = torch, program
        self._transfer = transfer_to(torch, torch.device(device))
        self._input = str(options.get("input", "data"))
        self._outputs = [str(name) for name in options.get("outputs", ["data"])]
        dtype = options.get("dtype", "float32")
        if dtype not in DTYPES:
            raise LoaderRefusedError(
                f"The option dtype is {dtype!r}, not one of {', '.join(sorted(DTYPES))}."
            )
        self._dtype = getattr(torch, dtype)

    def key(self, item: Item) -> Hashable:
        """Return the shape: only tensors of one shape can be stacked."""
        return _shape(item.input.get(self._input) if isinstance(item.input, dict) else None)

    def collate(self, items: Sequence[Item]) -> Any:
        """Return the items' tensors stacked, on their way to the device."""
        rows = [_numbers(item.input, self._input) for item in items]
        try:
            stacked = self._torch.tensor(rows, dtype=self._dtype)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InvalidInputError(f"The input is no tensor of numbers: {error}") from None
        return self._transfer.send({"stacked": stacked})

    def run(self, batch: Any) -> Any:
        """Return the program's tensor or tensors, on their way back from the device."""
        with self._torch.inference_mode():
            raw = self._program(self._transfer.arrive(batch)["stacked"])
        return self._transfer.send_back(raw if isinstance(raw, (tuple, list)) else [raw])

    def outputs(self, raw: Any) -> list[Any]:
        """Return one object of named outputs an item."""
        tensors = self._transfer.arrive_back(raw)
        _check_shapes(tensors, self._outputs)
        columns = [tensor.tolist() for tensor in tensors]
        return [dict(zip(self._outputs, row, strict=True)) for row in zip(*columns, strict=True)]

    def memory_bytes(self) -> int:
        """Return the bytes of the program's parameters and buffers."""
        return weight_bytes([self._program])


def load(path: Path, loader: str, options: Mapping[str, Any], device: str) -> TensorProgram:
    """Return the `torchscript` or `export` program in the file; the caller has asked for permission."""
    program = _torchscript(path, device) if loader == "torchscript" else _exported(path, device)
    return TensorProgram(program, options, device)


def _torchscript(path: Path, device: str) -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript's age is the operator's choice
        return torch.jit.load(str(path), map_location=device).eval()


def _exported(path: Path, device: str) -> Any:
    import torch
    from torch.export.passes import move_to_device_pass

    program = torch.export.load(str(path))
    return move_to_device_pass(program, device).module()


def _check_shapes(tensors: Sequence[Any], names: Sequence[str]) -> None:
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if len(shapes) != len(names):
        raise BadOutputError(f"The program gave {len(shapes)} tensors for the {len(names)} outputs named.")
    if len({shape[:1] for shape in shapes}) != 1 or not shapes[0]:
        raise BadOutputError(f"The program gave tensors of shapes {shapes}, not of a row an item each.")


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
