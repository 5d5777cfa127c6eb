"""A version that fails on one worker alone rests there, and no circuit opens: the device is sick. Pure.

A sick worker fails jobs faster than healthy ones answer them, so it may have failed many before any other has
answered one. A circuit therefore counts workers: it opens where a second one fails too, or there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from jobs.core.circuits.breaker import BreakerLimits, Finding, answers, others_needed
from jobs.core.circuits.tally import EVERY_CLIENT, VerdictTally

MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True)
class Sighting:
    """What another worker made lately of one client's jobs at the version."""

    worker: UUID
    client: int
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class WorkerTotal:
    """How many jobs of all clients another worker answered and failed lately."""

    worker: UUID
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the other workers made of the version lately, and whether any of them serves its model now."""

    sightings: Sequence[Sighting]
    totals: Sequence[WorkerTotal]
    served: bool


def sick_here(finding: Finding, elsewhere: Elsewhere, limits: BreakerLimits) -> bool:
    """Return whether this worker is to blame, as far as is known: another one may answer what fails here."""
    if works_elsewhere(finding, elsewhere.sightings, limits):
        return True
    return elsewhere.served and not any(fails(total, limits) for total in elsewhere.totals)


def fails(total: WorkerTotal, limits: BreakerLimits) -> bool:
    """Return whether another worker fails the version as well."""
    judged = total.succeeded + total.failed
    return total.failed >= others_needed(limits) and total.failed > limits.share * judged


def sick_at_probe(elsewhere: Elsewhere) -> bool:
    """Return whether a probe that failed here is to be left to the other workers: none has failed one yet."""
    return elsewhere.served and not any(total.failed > total.succeeded for total in elsewhere.totals)


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

    def tried(self, now: float, tally: VerdictTally) -> bool:
        """Count what came of the jobs after a rest; return whether they fail, so that it rests again."""
        if not self._times or now < self._until:
            return False
        if tally.suspected > tally.succeeded:
            return True
        self._succeeded += tally.succeeded
        if self._succeeded >= self._probes:
            self._times = self._succeeded = 0
        return False
