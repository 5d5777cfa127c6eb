"""An embedding is stored as the bytes of its floats, and answers as its list of numbers did."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from jobs.core.canonical_json import output_bytes
from jobs.core.payloads.stored_output import output_json, stored_output
from models_registry.core.registry_errors import NotFiniteError
from models_registry.loaders.encoders.text_embedder import TextEmbedder

EMBEDDER = TextEmbedder(SimpleNamespace(), "cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_embeddings_answer_byte_for_byte_as_lists_do(dtype: torch.dtype) -> None:
    torch.manual_seed(17)
    rows = torch.nn.functional.normalize(torch.randn(300, 384)).to(dtype)
    rows[0] = 0.0
    lists = [output_bytes({"embedding": row}) for row in rows.float().tolist()]
    outputs = EMBEDDER.outputs(([rows], "float32"))
    assert [output_json(stored_output(output)) for output in outputs] == lists


def test_rows_of_a_wider_tensor_are_their_own_bytes() -> None:
    wide = torch.arange(12.0).reshape(2, 6)
    assert [output.value() for output in EMBEDDER.outputs(([wide[:, 1:3]], "float32"))] == [
        {"embedding": [1.0, 2.0]},
        {"embedding": [7.0, 8.0]},
    ]


def test_nan_fails_its_own_item_alone() -> None:
    rows = torch.tensor([[1.0, float("nan")], [1.0, 2.0]])
    first, second = EMBEDDER.outputs(([rows], "float32"))
    with pytest.raises(NotFiniteError, match="'/embedding/1'"):
        stored_output(first)
    assert stored_output(second)
