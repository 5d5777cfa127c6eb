"""XGBoost and LightGBM models in their own formats, which hold data only; pickles are never read."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from models_registry.core.registry_errors import LoadFailedError
from models_registry.core.runner import Item
from models_registry.loaders.formats.tabular import Features, predictions
from models_registry.loaders.loader_options import TreesOptions

Predict = Callable[[Any], Any]
SAFE_IN_THREADS = frozenset({"gbtree", "dart"})  # as XGBoost documents; a linear model is not
NAMES_CHECKED = "Column_0"  # what LightGBM calls features without a name


class BoostedTrees:
    """Answers `{"data": [numbers]}` by `{"prediction": …}`, with probabilities where there are labels.

    `predict` may run in several threads at once.
    """

    def __init__(self, predict: Predict, features: Features, labels: Sequence[str], size_bytes: int) -> None:
        self._predict, self._features, self._labels = predict, features, labels
        self._size_bytes = size_bytes

    def key(self, item: Item) -> Hashable:
        """Return the same key for all rows."""
        del item
        return ()

    def collate(self, items: Sequence[Item]) -> Any:
        """Return the rows as one table."""
        return self._features.table([item.input for item in items])

    def run(self, batch: Any) -> Any:
        """Return a prediction for each row; the library has threads of its own."""
        return self._predict(batch)

    def outputs(self, raw: Any) -> list[Any]:
        """Return an object for each row."""
        return predictions(raw, self._labels)

    def schemas(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the JSON Schemas of inputs and outputs."""
        return self._features.schema(), {"type": "object", "required": ["prediction"]}

    def memory_bytes(self) -> int:
        """Return the bytes of the model's file."""
        return self._size_bytes


def load_xgboost(path: Path, options: TreesOptions, device: str) -> BoostedTrees:
    """Return the model in a JSON or UBJSON file of XGBoost."""
    import xgboost

    body = bytearray(_bytes(path))
    if body[:1] != b"{":
        raise LoadFailedError(
            f"{path.name} is no XGBoost model in JSON or UBJSON: write one by save_model('model.ubj')."
        )
    on_gpu = device != "cpu" and xgboost.build_info().get("USE_CUDA")
    booster = xgboost.Booster({"nthread": options.threads})
    try:
        booster.load_model(body)
    except xgboost.core.XGBoostError as error:
        raise LoadFailedError(f"XGBoost cannot read {path.name}: {_first_line(error)}") from None
    booster.set_param({"nthread": options.threads, "device": device if on_gpu else "cpu"})
    names, types = booster.feature_names, booster.feature_types
    best = booster.attr("best_iteration")
    trees = (0, int(best) + 1) if best is not None else (0, 0)

    def predict(table: Any) -> Any:
        matrix = xgboost.DMatrix(
            table, feature_names=names, feature_types=types, nthread=options.threads, enable_categorical=True
        )
        return booster.predict(
            matrix,
            output_margin=options.output == "margin",
            pred_contribs=options.output == "contributions",
            iteration_range=trees,
        )

    features = Features(booster.num_features(), tuple(names or ()))
    safe = _kind_of(booster) in SAFE_IN_THREADS
    return BoostedTrees(predict if safe else _one_at_a_time(predict), features, options.labels, len(body))


def load_lightgbm(path: Path, options: TreesOptions, device: str) -> BoostedTrees:
    """Return the model in a text file of LightGBM, which predicts on the CPU."""
    import lightgbm

    del device
    body = _bytes(path)
    if not body.startswith(b"tree\n"):
        raise LoadFailedError(f"{path.name} is no LightGBM text: write one by save_model('model.txt').")
    try:
        booster = lightgbm.Booster(model_str=body.decode())
    except (lightgbm.basic.LightGBMError, UnicodeDecodeError, ValueError) as error:
        raise LoadFailedError(f"LightGBM cannot read {path.name}: {_first_line(error)}") from None

    def predict(table: Any) -> Any:
        return booster.predict(
            table,
            raw_score=options.output == "margin",
            pred_contrib=options.output == "contributions",
            num_threads=options.threads,
        )

    safe = options.output != "contributions"  # before the first of these, all trees are prepared
    names = booster.feature_name()
    features = Features(booster.num_feature(), () if names[:1] == [NAMES_CHECKED] else tuple(names))
    return BoostedTrees(predict if safe else _one_at_a_time(predict), features, options.labels, len(body))


def _kind_of(booster: Any) -> str:
    return str(json.loads(booster.save_config())["learner"]["gradient_booster"]["name"])


def _one_at_a_time(predict: Predict) -> Predict:
    lock = Lock()

    def alone(table: Any) -> Any:
        with lock:
            return predict(table)

    return alone


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise LoadFailedError(f"{path.name!r} is not a file.")
    return path.read_bytes()


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
