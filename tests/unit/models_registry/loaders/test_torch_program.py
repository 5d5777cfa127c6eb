"""Tensors become outputs, a row an item, or an error that names their shapes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from models_registry.core.registry_errors import BadOutputError
from models_registry.core.runner import Item, answer
from models_registry.loaders.encoders.text_embedder import TextEmbedder
from models_registry.loaders.loader_options import ProgramOptions
from models_registry.loaders.torch_program import TensorProgram

ITEMS = [Item({"data": [1.0, 2.0]}), Item({"data": [3.0, 4.0]})]


def program(function: Callable[[Any], Any], **options: Any) -> TensorProgram:
    return TensorProgram(function, ProgramOptions.of(options), "cpu")


def test_each_item_has_its_row_of_each_output() -> None:
    runner = program(lambda x: (x, x.sum(1)), outputs=["rows", "sum"])
    assert answer(runner, ITEMS) == [{"rows": [1.0, 2.0], "sum": 3.0}, {"rows": [3.0, 4.0], "sum": 7.0}]


@pytest.mark.parametrize(
    ("function", "names", "says"),
    [
        (lambda x: x.sum(), ["data"], r"shapes \[\(\)\]"),
        (lambda x: (x, x[:1]), ["a", "b"], r"shapes \[\(2, 2\), \(1, 2\)\]"),
        (lambda x: (x, x), ["data"], "2 tensors for the 1 names"),
        (lambda _: (), ["data"], "0 tensors for the 1 names"),
    ],
)
def test_a_program_with_tensors_of_the_wrong_shape_gives_a_clear_error(
    function: Callable[[Any], Any], names: list[str], says: str
) -> None:
    with pytest.raises(BadOutputError, match=says):
        answer(program(function, outputs=names), ITEMS)


def test_too_few_rows_are_too_few_outputs() -> None:
    assert len(answer(program(lambda x: x[:1]), ITEMS)) == 1


def test_embeddings_without_an_axis_of_items_are_no_outputs() -> None:
    import torch

    with pytest.raises(BadOutputError, match=r"shape \(3,\)"):
        TextEmbedder(None, "cpu").outputs(([torch.zeros(3)], "float32"))


def test_a_tokenizer_is_used_by_one_thread_at_a_time() -> None:
    inside, most = [0], [0]

    def preprocess(texts: list[str]) -> dict[str, Any]:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        inside[0] -= 1
        return {"texts": texts}

    runner = TextEmbedder(SimpleNamespace(preprocess=preprocess), "cpu")
    threads = [threading.Thread(target=runner.collate, args=([Item({"text": "a"})],)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1]


def test_a_program_s_weights_are_weighed() -> None:
    import torch

    assert TensorProgram(torch.nn.Linear(10, 10), ProgramOptions(), "cpu").memory_bytes() == 4 * 110
