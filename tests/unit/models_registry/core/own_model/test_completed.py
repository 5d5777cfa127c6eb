from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from models_registry.core.context import SILENT, Context, takes_context
from models_registry.core.own_model.completed import completed
from models_registry.core.registry_errors import BadOutputError, InvalidInputError, LoadFailedError
from models_registry.core.runner import Item, Warmed, Weighed, answer
from models_registry.loaders.builtin import Echo


class Question(msgspec.Struct):
    text: str


class Shout:
    def run(self, inputs: list[Any]) -> list[Any]:
        return [value.upper() for value in inputs]


class Typed:
    def run(self, inputs: list[Question]) -> list[str]:
        return [question.text for question in inputs]


class Scaled:
    def run(self, inputs: list[int], parameters: list[Mapping[str, int]], context: Context = SILENT) -> Any:
        context.progress(0, 1)
        return [value * given["by"] for value, given in zip(inputs, parameters, strict=True)]


class Own(Shout):
    def key(self, item: Item) -> int:
        return len(item.input)

    def collate(self, items: list[Item]) -> list[str]:
        return [f"<{item.input}>" for item in items]

    def memory_bytes(self) -> int:
        return 7

    def warm(self, max_batch: int) -> None:
        del max_batch


class Returns:
    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def run(self, inputs: list[Any]) -> Any:
        del inputs
        return self.raw


def test_a_class_with_run_alone_is_a_model() -> None:
    runner = completed(Shout())
    assert answer(runner, [Item("a"), Item("b")]) == ["A", "B"]
    assert runner.key(Item("a")) == runner.key(Item("long"))
    assert not takes_context(runner)
    assert not isinstance(runner, Weighed)


def test_a_model_that_has_all_methods_is_left_as_it_is() -> None:
    echo = Echo()
    assert completed(echo) is echo


def test_what_a_model_has_of_its_own_is_used() -> None:
    runner, own = completed(Own()), Own()
    assert answer(runner, [Item("a")]) == ["<A>"]
    assert (runner.key(Item("abc")), runner.collate.__func__) == (3, own.collate.__func__)  # type: ignore[attr-defined]
    assert isinstance(runner, Weighed)
    assert isinstance(runner, Warmed)
    assert runner.memory_bytes() == 7


def test_inputs_come_as_the_hint_asks_and_a_wrong_one_is_invalid() -> None:
    runner = completed(Typed())
    assert answer(runner, [Item({"text": "hi"})]) == ["hi"]
    with pytest.raises(InvalidInputError, match=r"Expected `str`, got `int` - at `\$\.text`"):
        runner.collate([Item({"text": 1})])


def test_run_gets_the_parameters_and_the_context_that_it_asks_for() -> None:
    runner = completed(Scaled())
    assert takes_context(runner)
    assert answer(runner, [Item(2, {"by": 3}), Item(4, {"by": 5})]) == [6, 20]


@pytest.mark.parametrize("raw", [{"a": 1}, "ab", b"ab", None, 3])
def test_what_is_no_list_of_outputs_is_named(raw: Any) -> None:
    with pytest.raises(BadOutputError, match=f"`run` returned {type(raw).__name__}: it must return a list"):
        answer(completed(Returns(raw)), [Item(1)])


def test_an_object_without_run_is_no_model() -> None:
    with pytest.raises(LoadFailedError, match=r"int has no method `run\(self, inputs\)`"):
        completed(3)
