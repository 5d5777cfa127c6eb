"""How long the jobs waited that were accepted while a fault lasted. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobs.core.states import TERMINAL
from tests.chaos.checker import Change, History
from tests.chaos.records import FINE


@dataclass(frozen=True, slots=True)
class Waits:
    """From the 202 to the end, in seconds."""

    jobs: int
    p50_s: float
    p99_s: float


def waits(history: History, since: float, until: float) -> Waits | None:
    """Return how long the jobs waited that were accepted between two times; None where there were none.

    A job that did not end counts as waiting for ever. Jobs that fail, expire or are cancelled do not count,
    nor those that a dead or stopped worker had claimed: of the others is the question how they went on.
    """
    times = sorted(
        _ended(history.changes.get(job, ())) - accepted.at
        for job, accepted in history.accepted.items()
        if since <= accepted.at <= until and accepted.expect == FINE and not accepted.hurried
        and job not in history.cancels and job not in history.forgotten
        and not any(change.ground for change in history.changes.get(job, ()))
    )  # fmt: skip
    if not times:
        return None
    return Waits(len(times), times[len(times) // 2], times[min(len(times) * 99 // 100, len(times) - 1)])


def _ended(changes: Iterable[Change]) -> float:
    return next((change.at for change in changes if change.after in TERMINAL), float("inf"))
