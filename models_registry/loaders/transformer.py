"""Text embeddings from a directory of safetensors and a tokenizer; nothing in it is ever unpickled."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

# Read when the hub's client is imported: a model is what lies on this disk, and nothing is fetched.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from models_registry.core.registry_errors import BadOutputError, InvalidInputError, LoaderRefusedError
from models_registry.core.runner import Item
from models_registry.loaders.memory import weight_bytes
from models_registry.loaders.transfer import transfer_to

PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
MODULES = frozenset({"Transformer", "Pooling", "Normalize", "Dense", "LayerNorm"})
DTYPES = frozenset({"float32", "bfloat16", "float16"})
EMBEDDING_AXES = 2  # items, dimensions


class TextEmbedder:
    """Embeds `{"text": str}` as `{"embedding": [floats]}`, as SentenceTransformer.encode would."""

    def __init__(self, model: Any, device: str) -> None:
        import torch

        self._torch, self._model = torch, model
        self._transfer = transfer_to(torch, torch.device(device))
        self._tokenizing = Lock()

    def key(self, item: Item) -> Hashable:
        """Return the same for all: any texts go together."""
        del item
        return ()

    def collate(self, items: Sequence[Item]) -> tuple[Any, dict[str, Any]]:
        """Return token ids and masks, padded to the longest text and on their way up, and the rest."""
        texts = [_text(item.input) for item in items]
        with self._tokenizing:  # a fast tokenizer keeps its padding and truncation between calls
            features: dict[str, Any] = self._model.preprocess(texts)
        tensors = {name: x for name, x in features.items() if isinstance(x, self._torch.Tensor)}
        rest = {name: x for name, x in features.items() if name not in tensors}
        return self._transfer.send(tensors), rest

    def run(self, batch: tuple[Any, dict[str, Any]]) -> Any:
        """Return the embeddings, one row an item, on their way back from the device."""
        sent, rest = batch
        with self._torch.inference_mode():
            embedded = self._model({**self._transfer.arrive(sent), **rest})["sentence_embedding"]
        return self._transfer.send_back([embedded])

    def outputs(self, raw: Any) -> list[Any]:
        """Return one `{"embedding": [floats]}` an item."""
        (rows,) = self._transfer.arrive_back(raw)
        if rows.ndim != EMBEDDING_AXES:
            raise BadOutputError(f"The model gave a tensor of shape {tuple(rows.shape)}, not a row an item.")
        return [{"embedding": row} for row in rows.float().tolist()]

    def memory_bytes(self) -> int:
        """Return the bytes of the model's parameters and buffers."""
        return weight_bytes([self._model])


def load(directory: Path, options: Mapping[str, Any], device: str) -> TextEmbedder:
    """Return the embedder in a sentence-transformers or plain transformers directory.

    Options: `dtype` (float32, bfloat16, float16), `max_length` in tokens, `compile`. A directory without
    sentence-transformers' modules.json gets mean pooling.
    """
    check(directory)
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    dtype = options.get("dtype", "float32")
    if dtype not in DTYPES:
        raise LoaderRefusedError(f"The option dtype is {dtype!r}, not one of {', '.join(sorted(DTYPES))}.")
    model = SentenceTransformer(
        str(directory),
        device=device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True, "dtype": dtype},
    ).eval()
    if "max_length" in options:
        model.max_seq_length = int(options["max_length"])
    if options.get("compile"):
        model.compile(dynamic=True)
    return TextEmbedder(model, device)


def check(directory: Path) -> None:
    """Raise LoaderRefusedError unless everything that would be loaded is safetensors and data."""
    if not directory.is_dir():
        raise LoaderRefusedError(f"{directory.name!r} is no directory of safetensors and a tokenizer.")
    if not any(directory.glob("*.safetensors")):
        raise LoaderRefusedError(
            f"{directory.name!r} holds no safetensors; pickled weights are never loaded."
        )
    for folder in {path.parent for path in directory.rglob("*") if path.suffix.lower() in PICKLES}:
        if not any(folder.glob("*.safetensors")):
            raise LoaderRefusedError(f"{folder.name!r} holds pickled weights and no safetensors.")
    for kind in _modules(directory):
        package, _, name = kind.rpartition(".")
        if package.partition(".")[0] != "sentence_transformers" or name not in MODULES:
            raise LoaderRefusedError(f"The module {kind!r} is not one of {', '.join(sorted(MODULES))}.")


def _modules(directory: Path) -> Iterator[str]:
    path = directory / "modules.json"
    if path.exists():
        yield from (str(module["type"]) for module in json.loads(path.read_text("utf-8")))


def _text(value: Any) -> str:
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise InvalidInputError('The input has no text: {"text": "…"} is expected.')
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError("The text holds half of a surrogate pair, which is no character.") from None
    return text
