"""What the supervisor keeps running: a server or a program of the project."""

from collections.abc import Iterable
from typing import Protocol

from inference_site.stack.leash import Child


class Served(Protocol):
    """A child process that can be started again on the same ports."""

    name: str
    child: Child | None

    def start(self) -> None:
        """Start it without waiting for it."""

    def wait_ready(self) -> None:
        """Return once it answers; StartError if it does not."""

    def ask_to_stop(self) -> None:
        """Ask it to end, if it runs."""

    def finish(self) -> None:
        """Return once it has ended; kill it when its time to end is over."""


def stop_together(group: Iterable[Served]) -> None:
    """End a group at the same time; return when the last one has ended."""
    members = list(group)
    for member in members:
        member.ask_to_stop()
    for member in members:
        member.finish()
