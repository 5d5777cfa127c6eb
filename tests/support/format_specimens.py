"""One small artifact of each format of other libraries, made by that library itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def onnx_file(
    path: Path,
    nodes: Sequence[tuple[str, str, str]],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    weights: dict[str, Any],
) -> Path:
    """Write a graph of `(operator, inputs, outputs)`; spaces separate names, a colon ends a domain."""
    from onnx import helper, numpy_helper, save_model

    made = []
    for operator, taken, given in nodes:
        domain, _, kind = operator.rpartition(":")
        made.append(helper.make_node(kind, taken.split(), given.split(), domain=domain))
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(made, "graph", list(inputs), list(outputs), tensors)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("made.up", 1)]
    save_model(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path


def port(name: str, kind: str, *axes: Any) -> Any:
    """Return an input or output of a graph; `kind` is a name such as FLOAT."""
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, getattr(TensorProto, kind), list(axes))


def onnx_net(path: Path) -> Path:
    """Write a graph that takes `data`, three numbers, and gives `data`, two numbers."""
    import numpy as np

    weights = {"w": np.arange(6, dtype="float32").reshape(3, 2) / 7}
    taken, given = port("data", "FLOAT", "items", 3), port("out", "FLOAT", "items", 2)
    return onnx_file(path, [("MatMul", "data w", "h"), ("Tanh", "h", "out")], [taken], [given], weights)


def skops_regression(path: Path) -> Path:
    """Write a linear regression of three features."""
    import numpy as np
    from sklearn.linear_model import LinearRegression
    from skops.io import dump

    dump(LinearRegression().fit(np.eye(3), [1.0, 2.0, 4.0]), path)
    return path


def table(rows: int = 80) -> tuple[Any, Any]:
    """Return rows of three features and a number for each that depends on them."""
    import numpy as np

    numbers = np.random.default_rng(1).normal(size=(rows, 3)) * 3
    return numbers, numbers[:, 0] * 2 - numbers[:, 1] ** 2


def xgboost_trees(path: Path) -> Path:
    """Write a small regression by boosted trees."""
    import xgboost

    settings = {"max_depth": 3, "nthread": 1}
    xgboost.train(settings, xgboost.DMatrix(*table()), num_boost_round=8).save_model(path)
    return path


def lightgbm_trees(path: Path) -> Path:
    """Write a small regression by boosted trees."""
    import lightgbm

    settings = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3}
    lightgbm.train(settings, lightgbm.Dataset(*table()), num_boost_round=8).save_model(path)
    return path
