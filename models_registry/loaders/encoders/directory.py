"""What a directory of sentence_transformers holds: its kind, and whether all of it is safe to load."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models_registry.core.registry_errors import LoadFailedError

PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
# Those that read no pickle and import nothing that their configuration names: WordEmbeddings and
# LambdaTokenPooling import what it says.
MODULES = frozenset({
    "Transformer", "MLMTransformer", "StaticEmbedding", "SparseStaticEmbedding",
    "Pooling", "WeightedLayerPooling", "SpladePooling", "HierarchicalTokenPooling",
    "Normalize", "Dense", "LayerNorm", "Dropout", "SparseAutoEncoder", "LogitScore", "MultiVectorMask",
    "Router", "Asym",
})  # fmt: skip
ROUTERS = frozenset({"Router", "Asym"})
_OF_TYPE: Mapping[str, str] = {
    "SentenceTransformer": "embedding",
    "SparseEncoder": "sparse",
    "MultiVectorEncoder": "multi_vector",
    "ColBERT": "multi_vector",
    "CrossEncoder": "cross_encoder",
}
_OF_MODULE: Mapping[str, str] = {
    "SpladePooling": "sparse",
    "SparseAutoEncoder": "sparse",
    "SparseStaticEmbedding": "sparse",
    "MultiVectorMask": "multi_vector",
    "LogitScore": "cross_encoder",
}


def check(directory: Path) -> None:
    """Raise LoadFailedError unless the directory's weights are safetensors and its modules known ones."""
    if not directory.is_dir():
        raise LoadFailedError(f"{directory.name!r} is not a directory of safetensors and a tokenizer.")
    if not any(directory.rglob("*.safetensors")):
        raise LoadFailedError(f"{directory.name!r} holds no safetensors; pickled weights are never loaded.")
    for folder in {path.parent for path in directory.rglob("*") if path.suffix.lower() in PICKLES}:
        if not any(folder.glob("*.safetensors")):
            raise LoadFailedError(f"{folder.name!r} holds pickled weights and no safetensors.")
    for kind in _modules(directory):
        package, _, name = kind.rpartition(".")
        if package.partition(".")[0] != "sentence_transformers" or name not in MODULES:
            raise LoadFailedError(f"The module {kind!r} is not one of {', '.join(sorted(MODULES))}.")


def kind_of(directory: Path) -> str:
    """Return which kind of encoder a directory holds; one that says nothing embeds texts."""
    saved = _read(directory / "config_sentence_transformers.json").get("model_type")
    if saved != "SentenceTransformer" and str(saved) in _OF_TYPE:
        return _OF_TYPE[str(saved)]
    modules = [kind.rpartition(".")[2] for kind in _modules(directory)]
    if modules:
        return next((_OF_MODULE[name] for name in modules if name in _OF_MODULE), "embedding")
    return _of_architectures(_read(directory / "config.json").get("architectures") or [])


def _of_architectures(names: list[Any]) -> str:
    if any(str(name).endswith("ForSequenceClassification") for name in names):
        return "cross_encoder"
    return "multi_vector" if "HF_ColBERT" in names else "embedding"


def _modules(directory: Path) -> Iterator[str]:
    path = directory / "modules.json"
    listed = json.loads(path.read_text("utf-8")) if path.exists() else []
    for module in listed:
        yield from _with_routes(directory / str(module.get("path", "")), str(module["type"]))


def _with_routes(folder: Path, kind: str) -> Iterator[str]:
    """Yield a module's type and, where it is a router, those of the modules that it chooses among."""
    yield kind
    if kind.rpartition(".")[2] in ROUTERS:
        routes = _read(folder / "router_config.json") or _read(folder / "config.json")
        for name, of_route in routes.get("types", {}).items():
            yield from _with_routes(folder / str(name), str(of_route))


def _read(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return value if isinstance(value, dict) else {}
