"""Encoders answer what the library's own encode and predict do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
import torch

from models_registry.core.plain_output import plain
from models_registry.core.registry_errors import InvalidInputError, LoadFailedError
from models_registry.core.runner import Item, Runner, answer
from models_registry.loaders.integrity import digest
from models_registry.loaders.load import Permissions, load
from tests.support.small_encoders import SMALL, cross_encoder
from tests.support.specimens import version

TEXTS = ["one", "a text of several words", "", "Straße, 東京", "a long text that goes on " * 30]
PAIRS = [("a query", text) for text in TEXTS] + [("other", "words")]
CASES: Mapping[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "as encode": ({}, lambda m: m.encode(TEXTS)),
    "as encode_query": ({"task": "query"}, lambda m: m.encode_query(TEXTS)),
    "as encode_document": ({"task": "document"}, lambda m: m.encode_document(TEXTS)),
}
OF_EMBEDDINGS: Mapping[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "a prompt": ({"prompt_name": "passage"}, lambda m: m.encode(TEXTS, prompt_name="passage")),
    "a prompt of a task": (
        {"prompt_name": "passage", "task": "query"},
        lambda m: m.encode_query(TEXTS, prompt_name="passage"),
    ),
    "fewer dimensions": ({"dimensions": 20}, lambda m: m.encode(TEXTS, truncate_dim=20)),
    "fewer of length 1": (
        {"dimensions": 20, "normalize": True},
        lambda m: m.encode(TEXTS, truncate_dim=20, normalize_embeddings=True),
    ),
    "bits": ({"precision": "binary"}, lambda m: m.encode(TEXTS, precision="binary")),
    "unsigned bits": (
        {"precision": "ubinary", "dimensions": 20},
        lambda m: m.encode(TEXTS, precision="ubinary", truncate_dim=20),
    ),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def made(name: str) -> Path:
        return SMALL[name](tmp_path_factory.mktemp(name))

    return made


@cache
def theirs(kind: str, path: Path) -> Any:
    return getattr(sentence_transformers, kind)(str(path), device="cpu")


@cache
def ours(path: Path) -> Runner:
    return loaded(path)


def loaded(path: Path, **options: Any) -> Runner:
    return load(version("transformer", str(path), sha256=digest(path), options=options), "cpu", Permissions())


def outputs(path: Path, parameters: dict[str, Any], **options: Any) -> list[Any]:
    runner = loaded(path, **options) if options else ours(path)
    return [plain(output) for output in answer(runner, [Item({"text": text}, parameters) for text in TEXTS])]


def numbers(value: Any) -> Any:
    return np.array(value.tolist() if isinstance(value, torch.Tensor) else value)


def close(one: Any, other: Any) -> bool:
    return np.shape(one) == np.shape(other) and np.allclose(numbers(one), numbers(other), atol=1e-5)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["prompted", "routed"])
def test_embeddings_are_those_of_the_library(small: Any, name: str, case: str) -> None:
    parameters, expected = CASES[case]
    model = theirs("SentenceTransformer", small(name))
    made = [output["embedding"] for output in outputs(small(name), parameters)]
    assert close(made, expected(model))


@pytest.mark.parametrize("case", OF_EMBEDDINGS)
def test_parameters_mean_what_they_do_in_the_library(small: Any, case: str) -> None:
    parameters, expected = OF_EMBEDDINGS[case]
    model = theirs("SentenceTransformer", small("prompted"))
    made = [output["embedding"] for output in outputs(small("prompted"), parameters)]
    assert close(made, expected(model))


@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_integers_use_the_ranges_of_the_version(small: Any, precision: str) -> None:
    from sentence_transformers.util import quantize_embeddings

    ranges = np.stack([np.full(384, -0.11), np.linspace(0.1, 0.2, 384)]).astype(np.float32)
    model = theirs("SentenceTransformer", small("prompted"))
    expected = quantize_embeddings(model.encode(TEXTS), precision, ranges)
    made = outputs(small("prompted"), {"precision": precision}, int8_ranges=ranges.tolist())
    # One step apart where a number lies on the border of two.
    assert np.abs(np.array([m["embedding"] for m in made]) - expected.astype(int)).max() <= 1
    with pytest.raises(InvalidInputError, match="int8_ranges"):
        ours(small("prompted")).key(Item({"text": "a"}, {"precision": precision}))
    with pytest.raises(LoadFailedError, match="2 values in a list, and the model 384"):
        loaded(small("prompted"), int8_ranges=[[0, 0], [1, 1]])


def test_prompts_change_the_embedding_and_keep_batches_apart(small: Any) -> None:
    runner = ours(small("prompted"))
    items = [Item({"text": "a text"}, p) for p in ({}, {"task": "query"}, {"prompt_name": "passage"})]
    assert len({runner.key(item) for item in items}) == len(items)
    rows = [np.array(plain(answer(runner, [item])[0])["embedding"]) for item in items]
    assert not any(close(rows[0], row) for row in rows[1:])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"prompt_name": "pasage"}, "'pasage'; the model's prompts: clustering, document, passage, query"),
        ({"promt": 1}, "no parameter promt.*parameters: prompt_name, task, dimensions, normalize, precision"),
        ({"task": "index"}, "task is 'index'; it must be query or document"),
        ({"dimensions": 385}, "dimensions is 385; the model's embeddings have 384"),
        ({"precision": "int4"}, "precision is 'int4'"),
    ],
)
def test_a_wrong_parameter_is_invalid_and_names_what_there_is(
    small: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        ours(small("prompted")).key(Item({"text": "a"}, parameters))


@pytest.mark.parametrize("case", CASES)
def test_sparse_embeddings_are_those_of_the_library(small: Any, case: str) -> None:
    parameters, expected = CASES[case]
    rows = expected(theirs("SparseEncoder", small("sparse"))).to_dense()
    made = torch.zeros(rows.shape)
    for row, output in zip(made, outputs(small("sparse"), parameters), strict=True):
        assert output["indices"] == sorted(set(output["indices"]))
        row[output["indices"]] = torch.tensor(output["values"])
    assert close(made, rows)


def test_a_sparse_embedding_keeps_its_largest_values(small: Any) -> None:
    model = theirs("SparseEncoder", small("sparse"))
    rows = model.encode(TEXTS, max_active_dims=7).to_dense()
    made = outputs(small("sparse"), {"max_active_dims": 7})
    for row, output in zip(rows, made, strict=True):
        assert output["indices"] == row.nonzero().flatten().tolist()
        assert close(output["values"], row[output["indices"]])


@pytest.mark.parametrize("case", CASES)
def test_embeddings_of_tokens_are_those_of_the_library(small: Any, case: str) -> None:
    parameters, expected = CASES[case]
    matrices = expected(theirs("MultiVectorEncoder", small("multi_vector")))
    made = outputs(small("multi_vector"), parameters)
    assert all(close(out["embeddings"], matrix) for out, matrix in zip(made, matrices, strict=True))


@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("parameters", [{}, {"apply_softmax": True}])
def test_scores_are_those_of_the_library(tmp_path: Path, labels: int, parameters: dict[str, Any]) -> None:
    path = cross_encoder(tmp_path, labels)
    model = sentence_transformers.CrossEncoder(str(path), device="cpu")
    expected = model.predict(PAIRS, **parameters)
    runner = loaded(path, pairs_per_run=2)
    both = [
        Item({"query": "a query", "documents": TEXTS}, parameters),
        Item({"pairs": [["other", "words"]]}, parameters),
    ]
    made = [score for output in answer(runner, both) for score in output["scores"]]
    assert close(made, expected)


@pytest.mark.parametrize(
    "value", [{}, [], None, {"query": "a"}, {"query": "a", "documents": []}, {"pairs": [["a"]]}, {"pairs": 1}]
)
def test_pairs_of_the_wrong_form_are_invalid(small: Any, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=r'it must be \{"query"'):
        ours(small("cross_encoder")).collate([Item(value)])
