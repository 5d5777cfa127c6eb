import os
import signal
from typing import Any

import pytest

from models_registry.core.registry_errors import InvalidInputError
from models_registry.core.runner import Item, answer
from models_registry.loaders.flaky import HANG_S, Flaky, FlakyError, flaky

INPUTS = [{"n": n} for n in range(4_000)]


def model(**options: Any) -> Flaky:
    return flaky({"base_s": 0, "per_item_s": 0, **options}, "cpu")


def answers(*values: Any, **options: Any) -> list[Any]:
    return answer(model(**options), [Item(value) for value in values])


def failed_inputs(**options: Any) -> set[int]:
    outputs = answers(*INPUTS, **options)
    return {n for n, output in enumerate(outputs) if isinstance(output, FlakyError)}


def test_without_options_it_is_an_echo() -> None:
    values: list[Any] = [{"a": 1}, [], None, "x", {}]
    assert answers(*values) == values


def test_the_share_that_fails_is_the_option_and_the_same_each_time() -> None:
    failed = failed_inputs(error_share=0.03)
    assert 80 < len(failed) < 160  # 120 expected, with a standard deviation of 11
    assert failed_inputs(error_share=0.03) == failed
    assert failed_inputs(error_share=0.03, salt="another") != failed


def test_a_failure_is_that_of_its_input_whatever_the_batch_and_the_order_of_its_keys() -> None:
    failed = min(failed_inputs(error_share=0.03))
    assert isinstance(answers({"n": failed}, error_share=0.03)[0], FlakyError)
    fault = model(error_share=0.5).fault_of
    assert [fault({"a": n, "b": 1}) for n in range(50)] == [fault({"b": 1, "a": n}) for n in range(50)]


def test_with_one_salt_the_larger_share_fails_on_all_that_the_smaller_one_does() -> None:
    assert failed_inputs(error_share=0.01) < failed_inputs(error_share=0.04)


def test_refused_inputs_are_invalid_and_wrong_outputs_keep_their_shape() -> None:
    assert isinstance(answers({"n": 1}, refuse_share=1)[0], InvalidInputError)
    value = {"n": 1, "x": 1.5, "ok": True, "text": "ab", "list": [0, None]}
    wrong = {"n": 2, "x": 2.5, "ok": False, "text": "ba", "list": [1, None]}
    assert answers(value, wrong_share=1) == [wrong]


def test_a_killing_input_ends_the_process_and_a_hanging_one_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    killed, slept = list[tuple[int, int]](), list[float]()
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append((pid, number)))
    monkeypatch.setattr("time.sleep", slept.append)
    answers({"n": 1}, kill_share=1, hang_share=1)
    assert killed == [(os.getpid(), signal.SIGKILL)]
    answers({"n": 1}, hang_share=1)
    assert slept[-1] == HANG_S


def test_the_empty_example_never_fails_so_that_a_killer_can_be_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.kill", lambda *_: pytest.fail("it would end the process"))
    assert answers({}, kill_share=1, error_share=1) == [{}]


def test_a_run_takes_its_time_times_the_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    answers({"n": 1}, {"n": 2}, base_s=0.1, per_item_s=0.01, slow_factor=3)
    assert slept == [pytest.approx(0.36)]
