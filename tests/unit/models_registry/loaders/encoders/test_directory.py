"""A directory says which kind of encoder it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models_registry.loaders.encoders.directory import kind_of

SPLADE = "sentence_transformers.sparse_encoder.modules.SpladePooling"
POOLING = "sentence_transformers.models.Pooling"


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({}, "embedding"),
        ({"config.json": {"architectures": ["BertModel"]}}, "embedding"),
        ({"config.json": {"architectures": ["BertForSequenceClassification"]}}, "cross_encoder"),
        ({"config.json": {"architectures": ["HF_ColBERT"]}}, "multi_vector"),
        ({"config_sentence_transformers.json": {"model_type": "CrossEncoder"}}, "cross_encoder"),
        ({"config_sentence_transformers.json": {"model_type": "SparseEncoder"}}, "sparse"),
        ({"config_sentence_transformers.json": {"model_type": "ColBERT"}}, "multi_vector"),
        ({"modules.json": [{"path": "", "type": POOLING}]}, "embedding"),
        ({"modules.json": [{"path": "", "type": SPLADE}]}, "sparse"),
        (
            {
                "config.json": {"architectures": ["BertForSequenceClassification"]},
                "modules.json": [{"path": "", "type": POOLING}],
            },
            "embedding",
        ),
    ],
)
def test_the_kind_is_what_its_files_say(tmp_path: Path, files: dict[str, Any], kind: str) -> None:
    for name, value in files.items():
        (tmp_path / name).write_text(json.dumps(value))
    assert kind_of(tmp_path) == kind
