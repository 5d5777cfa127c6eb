"""The runners that get a context, and valid reports of progress."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry.core.context import MAX_MESSAGE, SILENT, Context, progress_of, takes_context
from models_registry.loaders.builtin import Echo, Stepper
from models_registry.loaders.checked import Checked, CheckedInContext, checked
from tests.support.specimens import version


class Keyword(Echo):
    def run(self, batch: list[Any], *, context: Context = SILENT) -> list[Any]:
        del context
        return batch


def test_a_context_is_for_a_runner_whose_run_has_that_parameter() -> None:
    assert takes_context(Stepper(1, 0))
    assert takes_context(Keyword())
    assert not takes_context(Echo())
    assert not takes_context(SimpleNamespace(run=lambda batch: batch))


def test_a_runner_whose_outputs_are_checked_is_still_given_one() -> None:
    info = version("entry_point", "x", options={"check_output": True})
    stepper, echo = checked(Stepper(1, 0), info), checked(Echo(), info)
    assert (type(stepper), type(echo)) == (CheckedInContext, Checked)
    assert takes_context(stepper)
    assert not takes_context(echo)


def test_a_checked_runner_passes_its_context_on() -> None:
    reports: list[tuple[int, float, str]] = []
    context = SimpleNamespace(progress=lambda *words: reports.append(words), cancelled=lambda _: False)
    runner = CheckedInContext(Stepper(2, 0), schema_text="{}")
    assert runner.run([1], context=context) == [1]
    assert reports == [(0, 0.5, "step 1 of 2"), (0, 1.0, "step 2 of 2")]


@pytest.mark.parametrize("fraction", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_fraction_outside_0_and_1_is_an_error_also_without_a_listener(fraction: float) -> None:
    with pytest.raises(ValueError, match="within 0 and 1"):
        SILENT.progress(0, fraction)


@given(st.text(st.characters(), max_size=400))
def test_any_message_can_be_stored(message: str) -> None:
    text = progress_of(0.5, message).message
    assert len(text) <= MAX_MESSAGE
    assert "\0" not in text
    text.encode()
