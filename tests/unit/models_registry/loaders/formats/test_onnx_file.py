"""ONNX: what a graph takes and gives, and what is refused with words that help."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from models_registry.core import schema
from models_registry.core.plain_output import plain
from models_registry.core.registry_errors import InvalidInputError, LoaderRefusedError, LoadFailedError
from models_registry.core.runner import FileInput, Item, answer
from models_registry.loaders.formats.onnx_file import CPU, CUDA, OnnxModel, load, providers
from models_registry.loaders.loader_options import OnnxOptions
from tests.support.format_specimens import onnx_file, onnx_net, port

AUTO = OnnxOptions()


@pytest.fixture
def net(tmp_path: Path) -> OnnxModel:
    return load(onnx_net(tmp_path / "net.onnx"), AUTO, "cpu")


def answers(model: OnnxModel, *inputs: Any) -> list[Any]:
    return [plain(output) for output in answer(model, [Item(value) for value in inputs])]


def made(path: Path, nodes: Any, inputs: Any, outputs: Any, **weights: Any) -> OnnxModel:
    return load(onnx_file(path / "made.onnx", nodes, inputs, outputs, weights), AUTO, "cpu")


def test_the_schema_comes_from_the_graph_and_takes_lists_and_bytes(net: OnnxModel) -> None:
    text = json.dumps(net.schemas()[0])
    body = b64encode(np.array([1, 2, 3], "<f4").tobytes()).decode()
    of_bytes = {"data": {"dtype": "float32", "shape": [3], "base64": body}}
    of_file = {"data": {"dtype": "float32", "shape": [3], "base64": FileInput(b"\0" * 12, "application/x")}}
    for good in ({"data": [1, 2.5, 3]}, of_bytes):
        schema.check(text, good)
    for bad in ({}, {"data": [1, 2]}, {"data": ["a", 1, 2]}, {"data": {"shape": [3]}}):
        with pytest.raises(InvalidInputError):
            schema.check(text, bad)
    assert answers(net, of_bytes) == answers(net, {"data": [1, 2, 3]})
    assert answers(net, of_file) == [{"out": [0, 0]}]


@pytest.mark.parametrize(
    "value",
    [
        {"dtype": "float32", "shape": [3], "base64": "AAAA"},
        {"dtype": "float32", "shape": [4], "base64": b64encode(b"\0" * 12).decode()},
        {"dtype": "complex64", "shape": [3], "base64": ""},
        {"dtype": "float32", "shape": [-3], "base64": ""},
        [[1, 2, 3]],
        [1, None, 3],
        [1, 10**400, 3],
        {},
    ],
)
def test_an_array_that_does_not_fit_is_named(net: OnnxModel, value: Any) -> None:
    with pytest.raises(InvalidInputError, match="data"):
        answers(net, {"data": value})


def test_free_axes_are_part_of_the_key_and_shape_the_output(tmp_path: Path) -> None:
    x, y = port("x", "FLOAT16", "n", "length"), port("y", "FLOAT16", "n", "length")
    model = made(tmp_path, [("Neg", "x", "y")], [x], [y])
    assert model.key(Item({"x": [1, 2]})) != model.key(Item({"x": [1, 2, 3]}))
    with pytest.raises(InvalidInputError, match="float16 cannot hold"):
        answers(model, {"x": [1e6]})
    assert answers(model, {"x": [1, 2]}, {"x": [3, 4]}) == [{"y": [-1, -2]}, {"y": [-3, -4]}]
    assert model.schemas()[0]["properties"]["x"]["items"] == {"type": "number"}


def test_several_inputs_texts_and_whole_numbers(tmp_path: Path) -> None:
    inputs = [port("t", "STRING", "n", 2), port("i", "INT64", "n")]
    outputs = [port("u", "STRING", "n", 2), port("j", "INT64", "n")]
    model = made(tmp_path, [("Identity", "t", "u"), ("Neg", "i", "j")], inputs, outputs)
    both = [{"t": ["a", "é"], "i": 2**53 + 1}, {"t": ["", "b"], "i": 1.0}]
    assert answers(model, *both) == [{"u": ["a", "é"], "j": -(2**53) - 1}, {"u": ["", "b"], "j": -1}]
    for bad in ({"t": ["a", 1], "i": 1}, {"t": ["a", "\ud800"], "i": 1}, {"t": ["a", "b"], "i": 1.5}):
        with pytest.raises(InvalidInputError):
            answers(model, bad)


def test_the_axis_with_one_name_in_all_outputs_counts_items_wherever_it_stands(tmp_path: Path) -> None:
    inputs = [port("x", "FLOAT", "n", 2), port("state", "FLOAT", 1, "n", 2), port("rate", "FLOAT")]
    outputs = [port("y", "FLOAT", "n", 2), port("next", "FLOAT", 1, "n", 2)]
    model = made(tmp_path, [("Mul", "x rate", "y"), ("Add", "state rate", "next")], inputs, outputs)
    one, other = ({"x": [n, 2], "state": [[n, 0]], "rate": 10} for n in (1, 5))
    assert answers(model, one, other) == [
        {"y": [10, 20], "next": [[11, 10]]},
        {"y": [50, 20], "next": [[15, 10]]},
    ]
    assert model.key(Item(one)) == model.key(Item(other)) != model.key(Item({**one, "rate": 8}))


@pytest.mark.parametrize(("axis", "value"), [(1, [7, 8]), (2, [[7, 8], [7, 8]])])
def test_a_fixed_first_axis_runs_items_one_after_the_other(tmp_path: Path, axis: int, value: Any) -> None:
    ports = port("x", "FLOAT", axis, 2), port("y", "FLOAT", axis, 2)
    model = made(tmp_path, [("Neg", "x", "y")], ports[:1], ports[1:])
    assert answers(model, {"x": value}, {"x": value}) == [{"y": (-np.array(value)).tolist()}] * 2


def test_maps_of_labels_are_objects(tmp_path: Path) -> None:
    import onnx.helper as h

    scores = port("x", "FLOAT", "n", 2)
    kind = h.make_sequence_type_proto(h.make_map_type_proto(onnx.TensorProto.STRING, scores.type))
    kind.sequence_type.elem_type.map_type.value_type.CopyFrom(
        h.make_tensor_type_proto(onnx.TensorProto.FLOAT, [])
    )
    node = h.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["cat", "dog"])
    graph = h.make_graph([node], "g", [scores], [h.make_value_info("y", kind)])
    ids = [h.make_opsetid("ai.onnx.ml", 1), h.make_opsetid("", 17)]
    path = tmp_path / "map.onnx"
    onnx.save_model(h.make_model(graph, opset_imports=ids, ir_version=8), str(path))
    assert answers(load(path, AUTO, "cpu"), {"x": [0, 1]}, {"x": [1, 0]}) == [
        {"y": {"cat": 0, "dog": 1}},
        {"y": {"cat": 1, "dog": 0}},
    ]


@pytest.mark.parametrize("operator", ["Nonsense", "made.up:Nonsense", "com.acme:Fast"])
def test_an_operator_that_the_runtime_lacks_is_named(tmp_path: Path, operator: str) -> None:
    x, y = port("x", "FLOAT", "n"), port("y", "FLOAT", "n")
    with pytest.raises(LoadFailedError, match=r"needs an operator that the installed onnxruntime \d.* lacks"):
        made(tmp_path, [(operator, "x", "y")], [x], [y])


def test_what_is_no_onnx_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(LoadFailedError, match="is no ONNX model"):
        load(tmp_path / "x.onnx", AUTO, "cpu")
    (tmp_path / "y.onnx").write_bytes(b"no model")
    with pytest.raises(LoadFailedError, match="holds 2 ONNX files"):
        load(tmp_path, AUTO, "cpu")


def external(folder: Path, location: str) -> Path:
    path = folder / "m" / "model.onnx"
    path.parent.mkdir()
    onnx_net(path)
    model = onnx.load(str(path))
    onnx.save_model(model, str(path), save_as_external_data=True, location="w.bin", size_threshold=0)
    model = onnx.load(str(path), load_external_data=False)
    (path.parent / "w.bin").rename(path.parent / location)
    next(e for e in model.graph.initializer[0].external_data if e.key == "location").value = location
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_beside_the_graph_need_the_folder_to_be_registered(tmp_path: Path) -> None:
    path = external(tmp_path, "w.bin")
    assert answers(load(path.parent, AUTO, "cpu"), {"data": [0, 0, 0]}) == [{"out": [0, 0]}]
    with pytest.raises(LoadFailedError, match="register the folder"):
        load(path, AUTO, "cpu")


def test_weights_outside_of_the_folder_are_refused(tmp_path: Path) -> None:
    path = external(tmp_path, "../w.bin")
    with pytest.raises(LoadFailedError, match="only from the folder that is registered"):
        load(path.parent, AUTO, "cpu")


def test_the_provider_follows_the_device() -> None:
    both = [CUDA, CPU]
    assert providers("auto", "cpu", both) == providers("cpu", "cuda:0", both) == [CPU]
    assert providers("auto", "cuda:1", both) == [(CUDA, {"device_id": 1}), CPU]
    assert providers("auto", "cuda:0", [CPU]) == [CPU]
    with pytest.raises(LoaderRefusedError, match="onnxruntime-gpu"):
        providers("cuda", "cuda:0", [CPU])
