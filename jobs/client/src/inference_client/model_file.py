"""What `register` sends: the file of a model, and the loader that reads it."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import PurePath
from typing import Any

from inference_client.files import File

LOADERS = {
    ".onnx": "onnx", ".skops": "sklearn", ".ubj": "xgboost", ".json": "xgboost", ".txt": "lightgbm",
}  # fmt: skip
Model = str | PathLike[str] | Any


def artifact_of(model: Model, loader: str | None) -> tuple[File, str]:
    """Return the file to upload of a path or a fitted estimator, and its loader.

    ValueError for a path whose ending names no loader, TypeError for what is neither a path nor an estimator,
    ImportError where skops is missing.
    """
    if isinstance(model, str | PathLike):
        return File(model), loader or _loader_of(fspath(model))
    if hasattr(model, "fit") and hasattr(model, "get_params"):
        return File(_dumped(model)), loader or "sklearn"
    raise TypeError(f"a {type(model).__name__} is neither the path of a file nor a scikit-learn estimator")


def _loader_of(path: str) -> str:
    ending = PurePath(path).suffix.lower()
    if ending not in LOADERS:
        raise ValueError(f"the ending of {path!r} names no loader: give `loader`, such as loader='onnx'")
    return LOADERS[ending]


def _dumped(estimator: Any) -> bytes:
    try:
        from skops.io import dumps
    except ImportError as error:
        raise ImportError("an estimator is sent as skops keeps it: pip install skops") from error
    body: bytes = dumps(estimator)
    return body
