"""The device of this process: it is probed after each error that names it, and may be lost.

After some errors a context is dead: every later call fails, at once, whatever the input. Such a process must
run nothing more. There is one device in a process, so what is known of it is here once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from models_registry.core.registry_errors import DeviceLostError
from models_registry.loaders.devices.device_errors import is_hardware, names_device


class Probe(Protocol):
    """Asks the device."""

    silence: str

    def answers(self) -> bool:
        """Return whether the device still runs something."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Why the device was lost, when in monotonic seconds, and whether the hardware is the cause for sure."""

    reason: str
    at: float
    hardware: bool


class OwnDevice:
    """A device with its probe; None for a process without one, where nothing can be lost."""

    def __init__(self, probe: Probe | None = None) -> None:
        self._probe, self._lock = probe, Lock()
        self.loss: Loss | None = None
        self.on_loss: Callable[[], None] = lambda: None  # called once, on the thread that found it

    @property
    def probed(self) -> bool:
        """Return whether there is a device to ask."""
        return self._probe is not None

    def lost_by(self, error: BaseException) -> bool:
        """Return whether an exception names the device, and the device does not answer any more."""
        return names_device(error) and self.lost(hardware=is_hardware(error))

    def lost(self, *, hardware: bool = False) -> bool:
        """Ask the device, unless it is lost already; return whether it is."""
        probe = self._probe
        if probe is None or self.loss is not None:
            return self.loss is not None
        if probe.answers():
            return False
        with self._lock:
            first = self.loss is None
            if first:
                self.loss = Loss(probe.silence, time.monotonic(), hardware)
        if first:
            self.on_loss()
        return True

    def lost_in_work_since(self, began: float | None) -> bool:
        """Return whether work that began then, in monotonic seconds, may be why the device was lost."""
        loss = self.loss
        return loss is not None and not loss.hardware and began is not None and began <= loss.at

    def error(self) -> DeviceLostError:
        """Return the error of what needs the lost device."""
        return DeviceLostError(
            f"The device of this worker does not answer any more: {self.loss.reason}" if self.loss else ""
        )


_device = OwnDevice()


def own_device() -> OwnDevice:
    """Return the device of this process."""
    return _device


def use(device: OwnDevice) -> None:
    """Make `device` the one of this process; before anything runs on it."""
    global _device  # noqa: PLW0603  # a process has one, and a model's exception may come from anywhere in it
    _device = device
