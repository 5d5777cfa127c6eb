"""Text embeddings from a directory of safetensors and a tokenizer; no pickle is ever loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

# Read when the hub's client is imported: models come from this disk, and nothing is downloaded.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from models_registry.core.output import OCTETS, Output
from models_registry.core.registry_errors import BadOutputError, InvalidInputError, LoaderRefusedError
from models_registry.core.runner import Item
from models_registry.loaders.loader_options import TransformerOptions
from models_registry.loaders.memory import weight_bytes
from models_registry.loaders.text_tokens import texts_of
from models_registry.loaders.transfer import transfer_to

PICKLES = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"})
MODULES = frozenset({"Transformer", "Pooling", "Normalize", "Dense", "LayerNorm"})
EMBEDDING_AXES = 2  # items, dimensions


class TextEmbedder:
    """Embeds `{"text": str}` as `{"embedding": [floats]}`, like SentenceTransformer.encode."""

    def __init__(self, model: Any, device: str) -> None:
        import torch

        self._torch, self._model = torch, model
        self._transfer = transfer_to(torch, torch.device(device))
        self._texts = texts_of(model, torch)

    def key(self, item: Item) -> Hashable:
        """Return the same key for all texts."""
        del item
        return ()

    def collate(self, items: Sequence[Item]) -> tuple[Any, dict[str, Any]]:
        """Return token ids and masks, padded and on their way to the device, and the other features."""
        tensors, rest = self._texts.features([_text(item.input) for item in items])
        return self._transfer.send(tensors), rest

    def run(self, batch: tuple[Any, dict[str, Any]]) -> Any:
        """Return the embeddings, a row for each item, on their way back from the device."""
        sent, rest = batch
        with self._torch.inference_mode():
            embedded = self._model({**self._transfer.arrive(sent), **rest})["sentence_embedding"]
        return self._transfer.send_back([embedded])

    def outputs(self, raw: Any) -> list[Any]:
        """Return `{"embedding": [floats]}` for each item, as the bytes of its floats."""
        (rows,) = self._transfer.arrive_back(raw)
        if rows.ndim != EMBEDDING_AXES:
            raise BadOutputError(
                f"The model returned a tensor of shape {tuple(rows.shape)}, not a row for each item."
            )
        meta = {"dtype": "float32", "shape": [rows.shape[1]], "field": "embedding"}
        return [Output(row.tobytes(), OCTETS, meta) for row in rows.float().numpy()]

    def memory_bytes(self) -> int:
        """Return the bytes of the model's parameters and buffers."""
        return weight_bytes([self._model])


def load(directory: Path, options: TransformerOptions, device: str) -> TextEmbedder:
    """Return the embedder in a sentence-transformers or plain transformers directory.

    A directory without the modules.json of sentence-transformers gets mean pooling.
    """
    check(directory)
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model = SentenceTransformer(
        str(directory),
        device=device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True, "dtype": options.dtype},
    ).eval()
    if options.max_length is not None:
        model.max_seq_length = options.max_length
    if options.compile:
        model.compile(dynamic=True)
    return TextEmbedder(model, device)


def check(directory: Path) -> None:
    """Raise LoaderRefusedError unless the directory's weights are safetensors and its modules known ones."""
    if not directory.is_dir():
        raise LoaderRefusedError(f"{directory.name!r} is not a directory of safetensors and a tokenizer.")
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
        raise InvalidInputError('The input has no text; it must be {"text": "…"}.')
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            "The text holds half of a surrogate pair, which is not a character."
        ) from None
    return text
