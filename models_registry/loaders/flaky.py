"""The built-in model `flaky`: an echo that fails for a set share of the inputs, for trying roll-outs.

Whether an input fails depends on a hash of the salt, the kind of fault and the input, and on nothing else:
the same input does the same each time it runs. Two versions with one salt differ by their shares alone: the
version with the larger share fails on all inputs that the other one fails on, and on more.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any, Final

from models_registry.core.registry_errors import InvalidInputError
from models_registry.loaders.builtin import BASE_S, PER_ITEM_S, Echo

HANG_S: Final = 3_600.0


class FlakyError(Exception):
    """The model fails on this input, as its option error_share demands."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of inputs, 0 to 1, of each fault; where several meet one input, the first of these wins."""

    kill: float = 0.0
    hang: float = 0.0
    refuse: float = 0.0
    error: float = 0.0
    wrong: float = 0.0


class Flaky(Echo):
    """An echo with faults by shares that takes `base_s + per_item_s · items` seconds a batch."""

    def __init__(
        self, shares: Shares, *, salt: str, base_s: float, per_item_s: float, hang_s: float = HANG_S
    ) -> None:
        self.shares, self.salt, self.hang_s = shares, salt, hang_s
        self.base_s, self.per_item_s = base_s, per_item_s

    def fault_of(self, value: Any) -> str:
        """Return the fault of an input by its name in Shares, or an empty string.

        The empty object, as the example of the built-in models, has none: else a killer could not be loaded.
        """
        if value == {}:
            return ""
        text = json.dumps(value, sort_keys=True).encode()
        return next((kind for kind, share in self._present() if self._draw(kind, text) < share), "")

    def run(self, batch: list[Any]) -> list[Any]:
        """Take the batch's time, then return it; an input may end the process or hang the batch."""
        time.sleep(self.base_s + self.per_item_s * len(batch))
        faults = [self.fault_of(value) for value in batch]
        if "kill" in faults:
            os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory is out
        if "hang" in faults:
            time.sleep(self.hang_s)
        return [(value, fault) for value, fault in zip(batch, faults, strict=True)]

    def outputs(self, raw: list[Any]) -> list[Any]:
        """Return each input, changed where it is to be wrong, or the error that fails it alone."""
        return [_OUTPUTS.get(fault, _same)(value) for value, fault in raw]

    def _present(self) -> list[tuple[str, float]]:
        named = ((part.name, getattr(self.shares, part.name)) for part in fields(self.shares))
        return [(kind, share) for kind, share in named if share > 0]

    def _draw(self, kind: str, text: bytes) -> float:
        """Return a number in [0, 1) that is uniform over inputs."""
        digest = sha256(f"{self.salt}/{kind}/".encode() + text).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


def flaky(options: Mapping[str, Any], device: str) -> Flaky:
    """Return a Flaky; its options are a `…_share` for each fault, `slow_factor`, `salt` and the times."""
    del device
    shares = Shares(**{part.name: float(options.get(f"{part.name}_share", 0)) for part in fields(Shares)})
    slow = float(options.get("slow_factor", 1))
    return Flaky(
        shares,
        salt=str(options.get("salt", "")),
        base_s=float(options.get("base_s", BASE_S)) * slow,
        per_item_s=float(options.get("per_item_s", PER_ITEM_S)) * slow,
    )


def _same(value: Any) -> Any:
    return value


def _refused(value: Any) -> InvalidInputError:
    del value
    return InvalidInputError("The model refuses this input, as its option refuse_share demands.")


def _failed(value: Any) -> FlakyError:
    del value
    return FlakyError("The model fails on this input, as its option error_share demands.")


def _wrong(value: Any) -> Any:
    """Return another value of the same shape: numbers plus one, texts backwards, the same within."""
    if isinstance(value, Mapping):
        return {name: _wrong(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_wrong(part) for part in value]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return value[::-1] if isinstance(value, str) else value


_OUTPUTS: Mapping[str, Callable[[Any], Any]] = {"refuse": _refused, "error": _failed, "wrong": _wrong}
