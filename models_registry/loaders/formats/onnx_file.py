"""ONNX graphs on onnxruntime: on the CPU, or on CUDA where the installed runtime has it."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime

from models_registry.core.output import DTYPES, Output
from models_registry.core.registry_errors import (
    BadOutputError,
    InvalidInputError,
    LoaderRefusedError,
    LoadFailedError,
)
from models_registry.core.runner import Item
from models_registry.loaders.formats.arrays import array_of, shape_of
from models_registry.loaders.formats.onnx_graph import Graph, Port, graph_of
from models_registry.loaders.loader_options import OnnxOptions
from models_registry.shared.platform_errors import PlatformError

logger = logging.getLogger(__name__)
NAME, CUDA, CPU = "model.onnx", "CUDAExecutionProvider", "CPUExecutionProvider"
ERRORS_ONLY = 3
Feeds = dict[str, Any]


class OnnxModel:
    """Answers `{"<input>": array, …}` by `{"<output>": array, …}`, by the names in the graph."""

    def __init__(self, session: Any, graph: Graph, size_bytes: int) -> None:
        self._session, self._graph, self._size_bytes = session, graph, size_bytes
        self._names = [port.name for port in graph.outputs]

    def key(self, item: Item) -> Hashable:
        """Return the shapes of the inputs, and the values of those that a batch must share."""
        values = item.input if isinstance(item.input, dict) else {}
        return tuple(self._key_of(port, values.get(port.name)) for port in self._graph.inputs)

    def collate(self, items: Sequence[Item]) -> list[Feeds]:
        """Return what each run of the session is fed: one run for all items, or one for each."""
        rows = [_feeds(self._graph.inputs, item.input) for item in items]
        if not self._graph.stacked:
            return [{p.name: _with_axis(row[p.name], p) for p in self._graph.inputs} for row in rows]
        return [{port.name: _stacked(port, rows) for port in self._graph.inputs}]

    def run(self, batch: list[Feeds]) -> list[list[Any]]:
        """Return the outputs of each run, in the graph's order."""
        return [self._session.run(self._names, feeds) for feeds in batch]

    def outputs(self, raw: list[list[Any]]) -> list[Any]:
        """Return an object of named arrays for each item."""
        ports = self._graph.outputs
        if self._graph.stacked:
            columns = [_rows(port, value) for port, value in zip(ports, raw[0], strict=True)]
            if len({len(column) for column in columns}) != 1:
                raise BadOutputError("The outputs of the graph do not have a row for each item.")
            return [self._output(row) for row in zip(*columns, strict=True)]
        return [self._output([_first(*pair) for pair in zip(ports, values, strict=True)]) for values in raw]

    def schemas(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the JSON Schemas of inputs and outputs."""
        return self._graph.input_schema(), self._graph.output_schema()

    def memory_bytes(self) -> int:
        """Return the bytes of the model's files, which hold little beside its weights."""
        return self._size_bytes

    def _key_of(self, port: Port, value: Any) -> Hashable:
        if self._graph.stacked and port.batch_axis is None:
            return repr(value)
        return shape_of(value)

    def _output(self, values: Sequence[Any]) -> Any:
        if len(values) == 1 and str(getattr(values[0], "dtype", "")) in DTYPES:
            return Output.of_array(values[0], field=self._names[0])
        return dict(zip(self._names, values, strict=True))


def load(path: Path, options: OnnxOptions, device: str) -> OnnxModel:
    """Return the model in a file, or in a directory with `model.onnx` and the weights beside it."""
    file = _file_in(path)
    try:
        session = _session(path, file, options, device)
    except PlatformError:
        raise
    except Exception as error:  # noqa: BLE001  # each of the runtime's errors is a class without a base
        raise LoadFailedError(_words(file.name, str(error))) from None
    files = [file] if path.is_file() else [part for part in path.rglob("*") if part.is_file()]
    graph = graph_of(session.get_inputs(), session.get_outputs(), options.batch)
    return OnnxModel(session, graph, sum(part.stat().st_size for part in files))


def _file_in(path: Path) -> Path:
    if path.is_file():
        return path
    files = [path / NAME] if (path / NAME).is_file() else sorted(path.glob("*.onnx"))
    if len(files) != 1:
        raise LoadFailedError(f"{path.name!r} holds {len(files)} ONNX files: name the one to load {NAME}.")
    return files[0]


def _session(path: Path, file: Path, options: OnnxOptions, device: str) -> Any:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
    settings.log_severity_level = ERRORS_ONLY
    # Threads that spin between runs take the cores of the worker's other stages.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen = providers(options.provider, device, onnxruntime.get_available_providers())
    if path.is_dir():  # the runtime itself refuses weights outside the folder of the file
        return onnxruntime.InferenceSession(str(file), settings, providers=chosen)
    with TemporaryDirectory() as empty:  # the hash of a file does not cover weights beside it
        settings.add_session_config_entry("session.model_external_initializers_file_folder_path", empty)
        return onnxruntime.InferenceSession(file.read_bytes(), settings, providers=chosen)


def providers(wanted: str, device: str, available: Sequence[str]) -> list[Any]:
    """Return the runtime's providers for a device, first choice first; LoaderRefusedError."""
    if device == "cpu" or wanted == "cpu":
        return [CPU]
    if CUDA in available:
        return [(CUDA, {"device_id": int(device.partition(":")[2] or 0)}), CPU]
    if wanted == "cuda":
        raise LoaderRefusedError(
            "The installed onnxruntime has no CUDA: install onnxruntime-gpu instead of onnxruntime."
        )
    logger.warning("the installed onnxruntime has no CUDA: the model runs on the CPU")
    return [CPU]


def _words(name: str, text: str) -> str:
    lacking = "No Op registered", "not a registered function/op", "No opset import", "NOT_IMPLEMENTED"
    if any(word in text for word in lacking):
        return (
            f"{name} needs an operator that the installed onnxruntime {onnxruntime.__version__} lacks: {text}"
        )
    if "xternal" in text:
        return (
            f"{name} keeps weights in other files. They are read only from the folder that is registered:"
            f" register the folder with the file and its weights, all of them inside. {text}"
        )
    return f"{name} is no ONNX model that onnxruntime {onnxruntime.__version__} loads: {text}"


def _feeds(ports: Sequence[Port], value: Any) -> Feeds:
    if not isinstance(value, Mapping):
        raise InvalidInputError(f"The input is no object with {', '.join(port.name for port in ports)}.")
    for port in ports:
        if port.name not in value:
            raise InvalidInputError(f"The input has no {port.name}.")
    return {port.name: array_of(value[port.name], _dtype(port), port.shape, port.name) for port in ports}


def _dtype(port: Port) -> np.dtype[Any]:
    assert port.dtype is not None  # noqa: S101  # `graph_of` refuses such inputs
    return port.dtype


def _stacked(port: Port, rows: Sequence[Feeds]) -> Any:
    if port.batch_axis is None:
        return rows[0][port.name]
    return np.stack([row[port.name] for row in rows], axis=port.batch_axis)


def _with_axis(value: Any, port: Port) -> Any:
    return value if port.batch_axis is None else np.expand_dims(value, port.batch_axis)


def _rows(port: Port, value: Any) -> Sequence[Any]:
    if isinstance(value, np.ndarray) and port.batch_axis:
        return list(np.moveaxis(value, port.batch_axis, 0))
    return list(value)


def _first(port: Port, value: Any) -> Any:
    return value if port.batch_axis is None else value[0]
