"""Real exceptions of the frameworks mean the input where it is the input's fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models_registry.core.faults import Fault, fault_of
from models_registry.core.runner import Item, answer
from models_registry.loaders.fault_tables import table_of
from models_registry.loaders.load import Permissions, load
from tests.support.format_specimens import onnx_file, port
from tests.support.specimens import SPECIMENS


def fault(loader: str, runner: Any, value: Any) -> Fault:
    with pytest.raises(Exception, match=r".") as caught:
        answer(runner, [Item(value)])
    return fault_of(caught.value, table_of(loader))


@pytest.mark.parametrize(("operator", "weight"), [("MatMul", (3, 1)), ("Gather", (2,)), ("Reshape", None)])
def test_an_input_that_a_graph_cannot_take(operator: str, weight: Any, tmp_path: Path) -> None:
    from models_registry.loaders.formats.onnx_file import load as load_onnx
    from models_registry.loaders.loader_options import OnnxOptions

    index = operator == "Gather"
    x = port("x", "INT64" if index else "FLOAT", "n", "length")
    w = np.array([3, 5]) if weight is None else np.zeros(weight, "float32")
    nodes = [(operator, "w x" if index else "x w", "y")]
    path = onnx_file(tmp_path / "m.onnx", nodes, [x], [port("y", "FLOAT", None, None)], {"w": w})
    assert fault("onnx", load_onnx(path, OnnxOptions(batch="first"), "cpu"), {"x": [7, 7]}) == Fault.INVALID


@pytest.mark.parametrize(("loader", "data"), [("sklearn", [1, None, 2]), ("xgboost", [1e300, 1, 2])])
def test_numbers_that_a_model_cannot_take(loader: str, data: Any, tmp_path: Path) -> None:
    runner = load(SPECIMENS[loader](tmp_path).version, "cpu", Permissions())
    assert fault(loader, runner, {"data": data}) == Fault.INVALID
