"""A version that fails on one worker alone rests there, and no circuit opens: the device is sick. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from jobs.core.circuits.breaker import BreakerLimits, Finding, answers
from jobs.core.circuits.tally import EVERY_CLIENT, Tally

MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class Sighting:
    """What another worker made lately of one client's jobs at the version."""

    worker: UUID
    client: int
    succeeded: int
    failed: int


def works_elsewhere(finding: Finding, sightings: Iterable[Sighting], limits: BreakerLimits) -> bool:
    """Return whether another worker answers what fails here."""
    by_worker: dict[UUID, tuple[int, int]] = {}
    for seen in sightings:
        if finding.client in (EVERY_CLIENT, seen.client):
            succeeded, failed = by_worker.get(seen.worker, (0, 0))
            by_worker[seen.worker] = succeeded + seen.succeeded, failed + seen.failed
    return any(answers(succeeded, failed, limits) for succeeded, failed in by_worker.values())


class RestTimes:
    """When one version runs again on this worker; `now` is in seconds and only goes forward."""

    def __init__(self, *, first_s: float, cap_s: float, probes: int) -> None:
        self._first_s, self._cap_s, self._probes = first_s, cap_s, probes
        self._until = float("-inf")
        self._times = self._succeeded = 0

    def begin(self, now: float) -> float:
        """Rest from now on, longer each time in a row; return for how many seconds."""
        rest_s = min(self._cap_s, self._first_s * 2.0 ** min(self._times, MOST_DOUBLINGS))
        self._until, self._times, self._succeeded = now + rest_s, self._times + 1, 0
        return rest_s

    def left_s(self, now: float) -> float:
        """Return the seconds until the version runs here again, 0 where it does."""
        return max(0.0, self._until - now)

    def tried(self, now: float, tally: Tally) -> bool:
        """Count what came of the jobs after a rest; return whether they fail, so that it rests again."""
        if not self._times or now < self._until:
            return False
        if tally.suspected > tally.succeeded:
            return True
        self._succeeded += tally.succeeded
        if self._succeeded >= self._probes:
            self._times = self._succeeded = 0
        return False
