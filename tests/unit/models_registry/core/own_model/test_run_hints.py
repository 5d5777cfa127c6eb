from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
import pytest

from models_registry.core.own_model.run_hints import RunHints
from models_registry.core.registry_errors import LoadFailedError


class Text(msgspec.Struct):
    text: str


class Unknown:
    pass


def typed(self: Any, inputs: Sequence[Text]) -> list[float]:
    raise NotImplementedError


def bare(self: Any, inputs: list[Any], parameters: Any) -> Any:
    raise NotImplementedError


def of_arrays(self: Any, inputs: list[dict[str, int]], context: Any = None) -> list[Unknown]:
    raise NotImplementedError


def foreign(self: Any, inputs: list[Unknown]) -> list[str]:
    raise NotImplementedError


def missing(self: Any, inputs: "list[Nowhere]") -> list[str]:  # type: ignore[name-defined]  # noqa: F821
    raise NotImplementedError


def of_a_pattern(self: Any, inputs: list[Annotated[str, msgspec.Meta(pattern=r"^a\Z")]]) -> Any:
    raise NotImplementedError


def empty(self: Any) -> None:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (typed, RunHints(Text, float, parameters=False, context=False)),
        (bare, RunHints(Any, Any, parameters=True, context=False)),
        (of_arrays, RunHints(dict[str, int], Unknown, parameters=False, context=True)),
    ],
)
def test_hints_name_the_types_of_one_input_and_one_output(
    run: Callable[..., Any], expected: RunHints
) -> None:
    assert RunHints.of(run) == expected


def test_schemas_are_made_of_the_hints() -> None:
    (of_input, of_output) = RunHints.of(typed).schemas()
    assert of_input["$defs"]["Text"]["properties"] == {"text": {"type": "string"}}
    assert of_output == {"type": "number"}
    assert RunHints.of(bare).schemas() == ({}, {})
    assert RunHints.of(of_arrays).schemas()[1] == {}
    assert RunHints.of(of_a_pattern).schemas()[0] == {"type": "string", "pattern": "^a$"}


def test_what_cannot_be_read_says_what_to_write() -> None:
    with pytest.raises(LoadFailedError, match="Use a msgspec Struct, or dict"):
        RunHints.of(foreign).schemas()
    with pytest.raises(LoadFailedError, match="Nowhere"):
        RunHints.of(missing)
    with pytest.raises(LoadFailedError, match=r"def run\(self, inputs\)"):
        RunHints.of(empty)
