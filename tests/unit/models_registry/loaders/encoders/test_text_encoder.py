"""An encoder knows how long a text can get, and runs what is compiled before jobs come."""

from __future__ import annotations

import weakref
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models_registry.core.runner import Clipped, Warmed
from models_registry.loaders.encoders.text_embedder import TextEmbedder
from models_registry.loaders.encoders.text_encoder import TextEncoder
from models_registry.loaders.encoders.token_embedder import TokenEmbedder
from models_registry.loaders.transfer import InPlace


@pytest.mark.parametrize(("tokens", "most"), [(256, 1_280), (None, None), (10**30, None)])
def test_a_text_counts_up_to_what_truncation_leaves(tokens: int | None, most: int | None) -> None:
    runner = TextEmbedder(SimpleNamespace(max_seq_length=tokens), "cpu")
    assert isinstance(runner, Clipped)
    assert runner.longest_bytes == most


class Hidden:
    """A model that leaves hidden states among the features, as the library's do."""

    def __init__(self) -> None:
        self.made: list[weakref.ref[Any]] = []

    def __call__(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        hidden = features["input_ids"] * 2.0
        self.made = [weakref.ref(features["input_ids"]), weakref.ref(hidden)]
        features |= {"hidden": hidden, "sentence_embedding": hidden.sum(1, keepdim=True)}
        features |= {"token_embeddings": hidden[..., None] + 0, "attention_mask": hidden[..., 0] + 1}
        return features


@pytest.mark.parametrize("kind", [TextEmbedder, TokenEmbedder])
def test_hidden_states_leave_the_device_before_outputs_do(
    kind: type[TextEncoder[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Hidden()
    runner = kind(model, "cpu")

    def send_back(_transfer: InPlace, outputs: Any) -> Any:
        assert [made() for made in model.made] == [None, None]
        return outputs

    monkeypatch.setattr(InPlace, "send_back", send_back)
    sent: list[Any] = [({"input_ids": torch.ones(2, 3)}, {}, runner.PARAMETERS(), {})]
    answers = runner.run(sent.pop())
    assert answers


class Compiled:
    """A model that notes the shapes it runs, and says that it is compiled, or not."""

    max_seq_length = 16

    def __init__(self, *, compiled: bool) -> None:
        self._compiled_call_impl = object() if compiled else None
        self.shapes = list[tuple[int, int]]()

    def preprocess(self, texts: list[str]) -> dict[str, Any]:
        most = max(len(text.split()) for text in texts)
        return {"input_ids": torch.ones(len(texts), most)}

    def __call__(self, features: dict[str, Any]) -> dict[str, Any]:
        rows = features["input_ids"]
        self.shapes.append(tuple(rows.shape))
        return {"sentence_embedding": rows[:, :1]}


def test_a_compiled_model_runs_two_and_the_most_items_at_several_lengths() -> None:
    model = Compiled(compiled=True)
    runner = TextEmbedder(model, "cpu")
    assert isinstance(runner, Warmed)
    runner.warm(8)
    assert model.shapes == [(items, words) for words in (1, 2, 8, 16) for items in (2, 8)]


def test_a_model_that_is_not_compiled_runs_nothing() -> None:
    model = Compiled(compiled=False)
    TextEmbedder(model, "cpu").warm(8)
    assert model.shapes == []
