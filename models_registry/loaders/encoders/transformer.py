"""Encoders from a directory of safetensors and a tokenizer; no pickle is ever loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# Read when the hub's client is imported: models come from this disk, and nothing is downloaded.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from models_registry.loaders.encoders.device_dtype import dtype_on
from models_registry.loaders.encoders.directory import check, kind_of
from models_registry.loaders.encoders.pair_scorer import PairScorer
from models_registry.loaders.encoders.sparse_texts import SparseTexts
from models_registry.loaders.encoders.text_embedder import TextEmbedder
from models_registry.loaders.encoders.text_encoder import TextEncoder
from models_registry.loaders.encoders.token_embedder import TokenEmbedder
from models_registry.loaders.loader_options import TransformerOptions

_CLASSES = {
    "embedding": "SentenceTransformer",
    "sparse": "SparseEncoder",
    "multi_vector": "MultiVectorEncoder",
    "cross_encoder": "CrossEncoder",
}


def load(directory: Path, options: TransformerOptions, device: str) -> TextEncoder[Any] | PairScorer:
    """Return the encoder in a sentence-transformers or plain transformers directory.

    A directory without the modules.json of sentence-transformers gets mean pooling.
    """
    check(directory)
    kind = kind_of(directory) if options.kind == "auto" else options.kind
    model = _read(directory, _CLASSES[kind], options, device)
    match kind:
        case "sparse":
            return SparseTexts(model, device)
        case "multi_vector":
            return TokenEmbedder(model, device)
        case "cross_encoder":
            return PairScorer(model, device, options.pairs_per_run)
    return TextEmbedder(model, device, options.int8_ranges)


def _read(directory: Path, name: str, options: TransformerOptions, device: str) -> Any:
    import sentence_transformers
    import torch
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model = getattr(sentence_transformers, name)(
        str(directory),
        device=device,
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True, "dtype": dtype_on(torch, options.dtype, device)},
    ).eval()
    if options.max_length is not None:
        model.max_seq_length = options.max_length
    if options.compile:
        model.compile(dynamic=True)
    return model
