"""Texts become the same tokens without the wrapper around the tokenizer as with it."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pydoc_data.topics import topics
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models_registry.core.plain_output import plain as plain_of
from models_registry.core.runner import Item, answer
from models_registry.loaders.encoders.text_tokens import PROBES, PlainTexts, WrappedTexts, texts_of
from models_registry.loaders.encoders.transformer import load
from models_registry.loaders.loader_options import TransformerOptions
from tests.support.specimens import MINILM

SENTENCES = [part.strip() for text in topics.values() for part in text.split(". ")]
ODD = ["", " ", "\N{GRINNING FACE}" * 9, "日本語" * 200, "[PAD] [PAD]", "a" * 100_000, "word " * 5_000]


@pytest.fixture(scope="module", params=[None, 5])
def model(request: pytest.FixtureRequest) -> Any:
    options = TransformerOptions(max_length=request.param)
    return load(Path(MINILM), options, "cpu")._model


def test_minilm_needs_no_wrapper(model: Any) -> None:
    assert isinstance(texts_of(model, torch), PlainTexts)


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_the_tokens_are_those_of_the_wrapper(model: Any, batch: int) -> None:
    texts = [*ODD, *SENTENCES[: 64 * 8]]
    plain, wrapped = texts_of(model, torch), WrappedTexts(model, torch)
    for start in range(0, len(texts) if batch > 1 else 40, batch):
        tensors, rest = plain.features(texts[start : start + batch])
        expected, others = wrapped.features(texts[start : start + batch])
        assert rest == others
        assert tensors.keys() == expected.keys()
        for name, tensor in expected.items():
            assert torch.equal(tensors[name].long(), tensor.long()), name


def test_the_embeddings_are_those_of_the_wrapper(model: Any) -> None:
    texts = [*(text[:60] for text in SENTENCES[:6]), *PROBES[:3]]
    both = [{**tensors, **rest} for tensors, rest in (k.features(texts) for k in _kinds(model))]
    with torch.inference_mode():
        one, other = (model(features)["sentence_embedding"] for features in both)
    assert torch.equal(one, other)


def test_threads_share_the_tokenizer(model: Any) -> None:
    plain = texts_of(model, torch)
    batches = [SENTENCES[start : start + 1 + start % 5] for start in range(0, 60, 3)]
    alone = [plain.features(batch)[0]["input_ids"] for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda batch: plain.features(batch)[0]["input_ids"], batches))
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))


def test_texts_are_padded_on_the_side_that_the_model_s_directory_names(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    path = Path(shutil.copytree(MINILM, tmp_path / "left"))
    config = json.loads((path / "tokenizer_config.json").read_text())
    (path / "tokenizer_config.json").write_text(json.dumps({**config, "padding_side": "left"}))
    model = load(path, TransformerOptions(), "cpu")._model
    plain, wrapped = _kinds(model)
    assert isinstance(plain, PlainTexts)
    texts = ["a word", "many more words than that", ""]
    (tensors, _), (expected, _) = plain.features(texts), wrapped.features(texts)
    assert tensors["attention_mask"][0, 0] == 0
    assert all(torch.equal(tensors[name].long(), tensor.long()) for name, tensor in expected.items())
    library = SentenceTransformer(str(path), device="cpu").encode(texts)
    own = [
        plain_of(output)["embedding"]
        for output in answer(
            load(path, TransformerOptions(), "cpu"), [Item({"text": text}) for text in texts]
        )
    ]
    assert torch.allclose(torch.tensor(own), torch.tensor(library), atol=1e-5)


def test_a_model_that_treats_a_text_in_its_own_way_keeps_its_wrapper(model: Any) -> None:
    def preprocess(texts: list[str]) -> dict[str, Any]:
        features: dict[str, Any] = model.preprocess([text.replace("Hello", "Bye") for text in texts])
        return features

    own = SimpleNamespace(preprocess=preprocess, tokenizer=model.tokenizer)
    assert isinstance(texts_of(own, torch), WrappedTexts)


def test_a_model_without_a_fast_tokenizer_keeps_its_wrapper(model: Any) -> None:
    own = SimpleNamespace(preprocess=model.preprocess, tokenizer=SimpleNamespace())
    assert isinstance(texts_of(own, torch), WrappedTexts)


def _kinds(model: Any) -> tuple[PlainTexts | WrappedTexts, WrappedTexts]:
    return texts_of(model, torch), WrappedTexts(model, torch)
