"""What the supervisor can keep running, be it a server of ours or a program of the project."""

from collections.abc import Iterable
from typing import Protocol

from inference_site.stack.leash import Child


class Served(Protocol):
    """Something started as one child process, which can be started again on the same ports."""

    name: str
    child: Child | None

    def start(self) -> None:
        """Start it without waiting for it."""

    def wait_ready(self) -> None:
        """Return once it answers; raise StartError where it will not."""

    def ask_to_stop(self) -> None:
        """Ask it to end; harmless where it is not running."""

    def finish(self) -> None:
        """Return once it has ended, by force when its grace is over."""


def stop_together(group: Iterable[Served]) -> None:
    """End all of a group at once; return when the last has ended."""
    members = list(group)
    for each in members:
        each.ask_to_stop()
    for each in members:
        each.finish()
