"""scikit-learn estimators as skops keeps them: a zip whose types are checked by name before any is made.

No pickle is read. skops trusts the estimators of scikit-learn itself; a version's option `trusted` names the
other types that its file may hold.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from models_registry.core.registry_errors import InvalidInputError, LoadFailedError
from models_registry.core.runner import Item
from models_registry.loaders.formats.tabular import INPUT, Features, data_of, named, predictions
from models_registry.loaders.loader_options import SklearnOptions

NAMES = "feature_names_in_"
# A zip may unpack to a thousand times its size, and skops unpacks all of it into memory.
MOST_TIMES, FREE_BYTES = 20, 2**28


class Estimator:
    """Answers `{"data": [numbers]}`, or `{"data": text}` for a pipeline that takes texts."""

    def __init__(self, estimator: Any, method: str, size_bytes: int) -> None:
        self._call, self._method, self._size_bytes = getattr(estimator, method), method, size_bytes
        self._labels = list(estimator.classes_) if method == "predict_proba" else []
        count = getattr(estimator, "n_features_in_", None)
        names = tuple(map(str, getattr(estimator, NAMES, ())))
        self._features = None if count is None else Features(int(count), names)
        _forget_names(estimator, set())

    def key(self, item: Item) -> Hashable:
        """Return the same key for all rows."""
        del item
        return ()

    def collate(self, items: Sequence[Item]) -> Any:
        """Return the rows as one table, or the texts as a list."""
        if self._features is not None:
            return self._features.table([item.input for item in items])
        texts = [data_of(item.input) for item in items]
        if not all(isinstance(text, str) for text in texts):
            raise InvalidInputError(f"{INPUT} must be a text.")
        return texts

    def run(self, batch: Any) -> Any:
        """Return what the estimator's method does."""
        return self._call(batch)

    def outputs(self, raw: Any) -> list[Any]:
        """Return an object for each row."""
        rows = raw.toarray() if hasattr(raw, "toarray") else raw
        if self._method in {"predict", "predict_proba"}:
            return predictions(rows, self._labels)
        return [named(row, INPUT) for row in np.asarray(rows)]

    def schemas(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the JSON Schemas of inputs and outputs."""
        text = {"type": "object", "properties": {INPUT: {"type": "string"}}, "required": [INPUT]}
        given = "prediction" if self._method.startswith("predict") else INPUT
        taken = text if self._features is None else self._features.schema()
        return taken, {"type": "object", "required": [given]}

    def memory_bytes(self) -> int:
        """Return the bytes of the file."""
        return self._size_bytes


def _check_size(path: Path) -> None:
    """Raise LoadFailedError for what is no zip, and for one that unpacks to far more than estimators do."""
    try:
        with ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (OSError, BadZipFile):
        raise LoadFailedError(
            f"{path.name!r} is no file of skops: write one by skops.io.dump(estimator, path)."
        ) from None
    most = FREE_BYTES + MOST_TIMES * path.stat().st_size
    if unpacked > most:
        raise LoadFailedError(
            f"{path.name} unpacks to {unpacked:,} bytes; {most:,} are allowed for its size."
        )


def load(path: Path, options: SklearnOptions, device: str) -> Estimator:
    """Return the estimator in a file of skops; LoadFailedError names the types that are not trusted."""
    del device  # scikit-learn runs on the CPU
    from skops.io import get_untrusted_types
    from skops.io import load as load_skops

    _check_size(path)
    untrusted = sorted(set(get_untrusted_types(file=path)) - set(options.trusted))
    if untrusted:
        raise LoadFailedError(
            f"{path.name} holds types that are not trusted: {', '.join(untrusted)}. Name them in the option"
            " `trusted` if you know what they do."
        )
    estimator = load_skops(path, trusted=list(options.trusted))
    _check(estimator, options.method, path.name)
    return Estimator(estimator, options.method, path.stat().st_size)


def _forget_names(value: Any, seen: set[int]) -> None:
    """Delete the names of features from an estimator and those that it is made of.

    Rows come without names, in the right order, and scikit-learn would warn of that at each run.
    """
    from sklearn.base import BaseEstimator

    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, BaseEstimator):
        vars(value).pop(NAMES, None)
        value = list(vars(value).values())
    elif isinstance(value, dict):
        value = list(value.values())
    elif isinstance(value, np.ndarray) and value.dtype.hasobject:
        value = list(value.flat)
    if isinstance(value, (list, tuple)):
        for part in value:
            _forget_names(part, seen)


def _check(estimator: Any, method: str, name: str) -> None:
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    if not isinstance(estimator, BaseEstimator):
        raise LoadFailedError(f"{name} holds a {type(estimator).__name__}, not an estimator.")
    if not hasattr(estimator, method):
        raise LoadFailedError(f"{type(estimator).__name__} has no {method}: choose another `method`.")
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise LoadFailedError(f"The {type(estimator).__name__} in {name} is not fitted.") from None
