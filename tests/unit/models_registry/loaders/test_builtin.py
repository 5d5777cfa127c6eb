import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from models_registry.core.registry_errors import InvalidInputError, RetryableError
from models_registry.core.runner import Item, answer
from models_registry.loaders import builtin

ROOT = Path(__file__).parents[4]


def test_an_echo_answers_each_input_with_itself() -> None:
    values: list[Any] = [{"a": 1}, [], None, "x"]
    assert answer(builtin.echo({}, "cpu"), [Item(value) for value in values]) == values


def test_a_sleeper_sleeps_its_base_and_a_little_for_each_item(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    runner = builtin.sleeper({}, "cpu")
    assert answer(runner, [Item({"n": n}) for n in range(64)]) == [{"n": n} for n in range(64)]
    assert slept == [pytest.approx(0.0114)]


def test_a_sleepers_times_are_options(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    builtin.sleeper({"base_s": 1, "per_item_s": 2}, "cpu").run([{}, {}])
    assert slept == [5]


def test_another_thread_runs_while_a_sleeper_sleeps() -> None:
    awake, done = threading.Event(), threading.Event()

    def sleep() -> None:
        awake.set()
        builtin.sleeper({"base_s": 0.2}, "cpu").run([{}])
        done.set()

    thread = threading.Thread(target=sleep)
    thread.start()
    assert awake.wait(5)
    assert not done.is_set()  # this thread goes on although the sleeper has not woken
    thread.join(5)
    assert done.is_set()


def test_a_failure_that_passes_does_so_at_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    runner, value = builtin.faulty({}, "cpu"), {"fail": "retry", "until": 100.0}
    monkeypatch.setattr("time.time", lambda: 99.9)
    with pytest.raises(RetryableError):
        runner.run([value])
    monkeypatch.setattr("time.time", lambda: 100.0)
    assert runner.run([value]) == [value]


@pytest.mark.parametrize(
    ("fail", "error"),
    [
        ("invalid", InvalidInputError),
        ("retry", RetryableError),
        ("raise", ValueError),
        ("memory", MemoryError),
    ],
)
def test_a_faulty_item_fails_its_batch_as_its_input_says(fail: str, error: type[Exception]) -> None:
    runner = builtin.faulty({}, "cpu")
    with pytest.raises(error, match="as asked"):
        answer(runner, [Item({"n": 1}), Item({"fail": fail, "message": "as asked"})])


@pytest.mark.parametrize("value", [{"n": 1}, {}, [], None, {"fail": None}])
def test_a_faulty_model_echoes_items_that_ask_for_nothing(value: Any) -> None:
    assert answer(builtin.faulty({}, "cpu"), [Item(value)]) == [value]


def test_an_unknown_fault_is_an_invalid_input() -> None:
    with pytest.raises(InvalidInputError, match="explode"):
        answer(builtin.faulty({}, "cpu"), [Item({"fail": "explode"})])


def test_a_short_item_loses_its_batch_an_output() -> None:
    assert len(answer(builtin.faulty({}, "cpu"), [Item({}), Item({"short": True})])) == 1


def test_a_faulty_lacks_the_device_s_memory_over_a_number_of_items() -> None:
    import torch

    runner = builtin.faulty({"fits": 2}, "cpu")
    assert runner.run([{}, {}]) == [{}, {}]
    with pytest.raises(torch.cuda.OutOfMemoryError):
        runner.run([{}, {}, {}])


def test_an_input_may_spoil_its_output_alone() -> None:
    runner = builtin.faulty({}, "cpu")
    first, second = runner.outputs(runner.run([{"answer": "nan"}, {"a": 1}]))
    assert first["answer"] != first["answer"]
    assert second == {"a": 1}
    with pytest.raises(ValueError, match="output"):
        runner.outputs(runner.run([{"answer": "raise"}]))


ENDS = """
import os, threading, time
from models_registry.loaders.builtin import FAULTS
def run():
    FAULTS["segfault"]({})
    os.write(1, b"it went on")
threading.Thread(target=run).start()
while True:
    time.sleep(0.001)
"""


def test_a_segfault_ends_the_process_before_its_thread_goes_on() -> None:
    for _ in range(5):
        ended = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, check=False, cwd=ROOT)
        assert (ended.returncode, ended.stdout) == (-signal.SIGSEGV, b"")
