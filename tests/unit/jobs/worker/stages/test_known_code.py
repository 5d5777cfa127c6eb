"""Nothing of an exception is known but the names of loaded code."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jobs.core.failures import Known
from jobs.worker.stages.known_code import FAILED, known_of
from models_registry.core.registry_errors import InvalidInputError
from models_registry.loaders.builtin import Faulty

DATA = "maxima_muster"


class ModelError(Exception):
    """An error that a model's module defines."""


class CodedError(InvalidInputError):
    """One with a code of its own."""

    code = DATA


def caught(error: BaseException) -> BaseException:
    try:
        raise error  # noqa: TRY301
    except BaseException as raised:  # noqa: BLE001
        return raised


def test_loaded_classes_and_codes_of_the_platform_are_known() -> None:
    place = "test_known_code.py:caught"
    assert known_of(caught(ValueError(DATA))) == Known("ValueError", place)
    assert known_of(caught(ModelError(DATA))) == Known("ModelError", place)
    assert known_of(caught(InvalidInputError(DATA))) == Known("invalid_input", place)
    assert known_of(caught(re.error(DATA))).code == "error"


def test_the_last_frame_of_loaded_code_counts() -> None:
    with pytest.raises(ValueError, match="raises") as raised:
        Faulty().run([{"fail": "raise"}])
    assert known_of(raised.value).place == "builtin.py:_raise"


def crafted() -> list[BaseException]:
    made: Any = type(DATA, (ValueError,), {})
    posing: Any = type(DATA, (ModelError,), {"__module__": __name__, "__qualname__": "ModelError"})
    nowhere: Any = type(DATA, (BaseException,), {"__module__": None})
    dotted: Any = type("a b." + DATA, (ValueError,), {"__module__": DATA})
    coded = InvalidInputError("x")
    coded.code = DATA  # type: ignore[misc]
    return [made(DATA), posing(DATA), nowhere(DATA), dotted(DATA), coded, CodedError(DATA)]


@pytest.mark.parametrize("error", crafted(), ids=str)
def test_a_name_or_code_that_was_made_of_data_is_not(error: BaseException) -> None:
    assert DATA not in str(known_of(caught(error)))


def test_the_class_below_a_made_one_is_named() -> None:
    codes = [known_of(error).code for error in crafted()]
    assert codes == ["ValueError", "ModelError", "BaseException", "ValueError", "invalid_input", "CodedError"]


@pytest.mark.parametrize("names", [{"__name__": __name__}, {"__name__": DATA}, {}])
def test_a_function_or_file_that_was_made_of_data_is_not(names: dict[str, str]) -> None:
    code = compile(f"def {DATA}():\n    raise ValueError\n{DATA}()", DATA, "exec")
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        exec(code, dict(names))  # noqa: S102
    assert known_of(raised.value) == Known(
        "ValueError", "test_known_code.py:test_a_function_or_file_that_was_made_of_data_is_not"
    )


class Hostile(type):
    """A class of classes that cannot be looked at."""

    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)


def test_an_exception_that_cannot_be_read_has_failed() -> None:
    kind: Any = Hostile("Unreadable", (Exception,), {})
    assert known_of(kind()).code == FAILED
