"""What learns of the loads of a worker's pool."""

from __future__ import annotations

from typing import Protocol


class LoadWatcher(Protocol):
    """Learns what a pool loads, on the thread that does it."""

    def loading(self, version: int) -> None:
        """Note that the load of a version begins."""

    def loaded(self, version: int, *, memory_bytes: int, load_s: float) -> None:
        """Note that a version was loaded."""

    def failed(self, version: int, error: Exception, *, late: bool = False) -> None:
        """Note that a version could not be loaded; `late` means that its load outlived its limit."""

    def dropped(self, version: int) -> None:
        """Note that a version has left memory."""

    def again(self) -> None:
        """Note again what could not be noted."""


class NobodyWatches:
    """Keeps nothing."""

    def loading(self, version: int) -> None:
        """Do nothing."""

    def loaded(self, version: int, *, memory_bytes: int, load_s: float) -> None:
        """Do nothing."""

    def failed(self, version: int, error: Exception, *, late: bool = False) -> None:
        """Do nothing."""

    def dropped(self, version: int) -> None:
        """Do nothing."""

    def again(self) -> None:
        """Do nothing."""
