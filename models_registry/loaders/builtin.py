"""Models without a framework, for tests, benchmarks and demonstrations.

This module imports the standard library alone: benchmarks run it in the environments of other task queues.
"""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NoReturn

from models_registry.core.context import SILENT, Context
from models_registry.core.registry_errors import InvalidInputError, RetryableError
from models_registry.core.runner import Item

Options = Mapping[str, Any]
BASE_S = 0.005
PER_ITEM_S = 0.0001
STEPS, STEP_S = 10, 0.05


class Echo:
    """Returns each input as its output."""

    def key(self, item: Item) -> Hashable:
        """Return the same key for all items."""
        del item
        return ()

    def collate(self, items: Sequence[Item]) -> list[Any]:
        """Return the inputs."""
        return [item.input for item in items]

    def run(self, batch: list[Any]) -> list[Any]:
        """Return the batch as it is."""
        return batch

    def outputs(self, raw: list[Any]) -> list[Any]:
        """Return the raw outputs as they are."""
        return raw


class Sleeper(Echo):
    """An echo that takes `base_s + per_item_s · items` seconds, off the interpreter lock as a GPU is."""

    def __init__(self, base_s: float, per_item_s: float) -> None:
        self.base_s, self.per_item_s = base_s, per_item_s

    def run(self, batch: list[Any]) -> list[Any]:
        """Sleep, then return the batch."""
        time.sleep(self.base_s + self.per_item_s * len(batch))
        return batch


class Stepper(Echo):
    """An echo in `steps` steps of `step_s` seconds that reports progress and stops for a cancellation.

    The output of a cancelled item is null; a batch whose items are all cancelled ends early.
    """

    def __init__(self, steps: int, step_s: float) -> None:
        self.steps, self.step_s = steps, step_s

    def run(self, batch: list[Any], context: Context = SILENT) -> list[Any]:
        """Take the steps for the items that are not cancelled, then return the batch."""
        active = list(range(len(batch)))
        for step in range(1, self.steps + 1):
            time.sleep(self.step_s)
            active = [index for index in active if not context.cancelled(index)]
            if not active:
                break
            for index in active:
                context.progress(index, step / self.steps, f"step {step} of {self.steps}")
        return [value if index in active else None for index, value in enumerate(batch)]


class Faulty(Echo):
    """An echo that fails as an input's `fail` demands, see FAULTS, and has memory for `fits` items only.

    With `fail: retry` an item fails until the Unix time in `until`, if there is one. An input's `answer`
    spoils its own output: `nan` makes it NaN, `raise` raises. An input with `short` drops the last output.
    """

    def __init__(self, fits: int = 0) -> None:
        self.fits = fits

    def run(self, batch: list[Any]) -> list[Any]:
        """Return the batch, unless it does not fit or one of its items demands a fault."""
        if 0 < self.fits < len(batch):
            _exhaust(len(batch))
        for value in batch:
            fail = value.get("fail") if isinstance(value, Mapping) else None
            if fail is not None:
                FAULTS.get(fail, _unknown)(value)
        return batch

    def outputs(self, raw: list[Any]) -> list[Any]:
        """Return the raw outputs, spoilt as the inputs demand."""
        short = any(isinstance(value, Mapping) and value.get("short") for value in raw)
        return [_spoilt(value) for value in (raw[:-1] if short else raw)]


def echo(options: Options, device: str) -> Echo:
    """Return an Echo, which has no options."""
    del options, device
    return Echo()


def sleeper(options: Options, device: str) -> Sleeper:
    """Return a Sleeper; its options are `base_s` and `per_item_s`."""
    del device
    return Sleeper(float(options.get("base_s", BASE_S)), float(options.get("per_item_s", PER_ITEM_S)))


def stepper(options: Options, device: str) -> Stepper:
    """Return a Stepper; its options are `steps` and `step_s`."""
    del device
    return Stepper(int(options.get("steps", STEPS)), float(options.get("step_s", STEP_S)))


def faulty(options: Options, device: str) -> Faulty:
    """Return a Faulty; its option is `fits`, 0 for any number of items."""
    del device
    return Faulty(int(options.get("fits", 0)))


def _exhaust(items: int) -> NoReturn:
    from torch.cuda import OutOfMemoryError

    raise OutOfMemoryError(f"CUDA out of memory. Tried to allocate {items} items.")


def _spoilt(value: Any) -> Any:
    answer = value.get("answer") if isinstance(value, Mapping) else None
    if answer == "raise":
        raise ValueError("the model raises on this output")
    return {**value, "answer": float("nan")} if answer == "nan" else value


def _invalid(value: Mapping[str, Any]) -> NoReturn:
    raise InvalidInputError(str(value.get("message", "the model does not take this input")))


def _retry(value: Mapping[str, Any]) -> None:
    if time.time() >= value.get("until", float("inf")):
        return
    raise RetryableError(str(value.get("message", "the model cannot answer now")))


def _raise(value: Mapping[str, Any]) -> NoReturn:
    raise ValueError(str(value.get("message", "the model raises on this input")))


def _memory(value: Mapping[str, Any]) -> NoReturn:
    raise MemoryError(str(value.get("message", "out of memory")))


def _hang(value: Mapping[str, Any]) -> None:
    time.sleep(float(value.get("seconds", 3600)))


def _hold(value: Mapping[str, Any]) -> None:
    """Hold the interpreter lock for ever: a backtracking engine needs 2 to the power of 60 steps for this."""
    re.match(r"^([a-z]+_?)+$", str(value.get("text", "a" * 60 + "!")))


def _segfault(value: Mapping[str, Any]) -> None:
    del value
    # To this thread: one sent to the process may take another, and this would answer until that is ended.
    signal.pthread_kill(threading.get_ident(), signal.SIGSEGV)


def _exit(value: Mapping[str, Any]) -> NoReturn:
    raise SystemExit(int(value.get("code", 3)))


def _interrupt(value: Mapping[str, Any]) -> NoReturn:
    raise KeyboardInterrupt(str(value.get("message", "")))


def _cancel(value: Mapping[str, Any]) -> NoReturn:
    from asyncio import CancelledError

    raise CancelledError(str(value.get("message", "")))


def _close(value: Mapping[str, Any]) -> NoReturn:
    raise GeneratorExit(str(value.get("message", "")))


def _lose(value: Mapping[str, Any]) -> NoReturn:
    raise RuntimeError(f"CUDA error: device-side assert triggered {value.get('message', '')}")


def _unknown(value: Mapping[str, Any]) -> NoReturn:
    raise InvalidInputError(f"fail is {value['fail']!r}, not one of {', '.join(FAULTS)}.")


FAULTS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "invalid": _invalid,
    "retry": _retry,
    "raise": _raise,
    "memory": _memory,
    "hang": _hang,
    "hold": _hold,
    "segfault": _segfault,
    "exit": _exit,
    "interrupt": _interrupt,
    "cancel": _cancel,
    "close": _close,
    "lose": _lose,
}
