"""The breaker of a model version: it decides from the verdicts what to hold back, and why. Pure.

closed ──too many failures, or every job dead──► open ──cool-down over──► half open ──successes──► closed
                                                  ▲                          │
                                                  └─────────one failure──────┘

A version has one circuit for all clients and, where it is needed, one for a client. The circuit of all opens
on what says that the version is sick: the failures of several clients, or of inputs that it answered before.
What fails for one client alone opens the circuit of that client, invalid inputs too where each of its jobs
ends dead: to go on would only bury the rest of its jobs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from jobs.core.circuits.tally import EVERY_CLIENT, NOTHING, Tallies, VerdictTally, add_to, summed

PARTS = 30  # of a window: verdicts are counted together in each
ANSWERED_BEFORE = 3  # failures of such inputs that stand for the failures of a second client
OTHERS_PART = 10  # of `least`: so many failures have to be those of other clients than the loudest


class CircuitState(StrEnum):
    """Whether a version's jobs run; the value is stored in Postgres and shown by the admin."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerLimits(Protocol):
    """What opens a circuit."""

    @property
    def enabled(self) -> bool: ...  # noqa: D102
    @property
    def window_s(self) -> float: ...  # noqa: D102
    @property
    def least(self) -> int: ...  # noqa: D102
    @property
    def share(self) -> float: ...  # noqa: D102
    @property
    def dead(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Finding:
    """A circuit that has to open, of one client or of EVERY_CLIENT, and why, as a sentence.

    `of_inputs` is True where all that failed are invalid inputs: no worker answers those.
    """

    client: int
    reason: str
    of_inputs: bool = False


@dataclass(slots=True)
class VerdictWindow:
    """Tallies by client over the last `window_s` seconds; `now` is in seconds and only goes forward."""

    window_s: float
    _parts: deque[tuple[float, dict[int, VerdictTally]]] = field(default_factory=deque)

    def add(self, now: float, tallies: Tallies) -> None:
        """Count tallies."""
        if self._parts and now - self._parts[-1][0] < self.window_s / PARTS:
            add_to(self._parts[-1][1], tallies)
        else:
            self._parts.append((now, dict(tallies)))
        while self._parts[0][0] <= now - self.window_s:
            self._parts.popleft()

    def total(self) -> dict[int, VerdictTally]:
        """Return the sums at the last count, by client."""
        return summed(tallies for _, tallies in self._parts)

    def forget(self, client: int) -> None:
        """Forget a client's verdicts; those of EVERY_CLIENT are all."""
        if client == EVERY_CLIENT:
            self._parts.clear()
        for _, tallies in self._parts:
            tallies.pop(client, None)


class Breaker:
    """Counts one version's verdicts over a sliding window; `now` is in seconds and only goes forward."""

    def __init__(self, limits: BreakerLimits) -> None:
        self.limits = limits
        # A client's counts start at zero when its circuit opens; its failures still count for the version.
        self._of_version, self._of_clients = VerdictWindow(limits.window_s), VerdictWindow(limits.window_s)

    def observe(self, now: float, tallies: Tallies) -> list[Finding]:
        """Count verdicts, by client; return the circuits that have to open."""
        self._of_version.add(now, tallies)
        self._of_clients.add(now, tallies)
        if not self.limits.enabled or not any(tally.blamed or tally.dead for tally in tallies.values()):
            return []
        reason = self._version_reason(self._of_version.total())
        findings = (
            [Finding(EVERY_CLIENT, reason)] if reason else list(self._clients(self._of_clients.total()))
        )
        for finding in findings:
            self._of_clients.forget(finding.client)
        if reason:
            self._of_version.forget(EVERY_CLIENT)
        return findings

    def answers_others(self, client: int) -> bool:
        """Return whether the version answers other clients than this one here, as far as the window shows."""
        others = [tally for other, tally in self._of_version.total().items() if other != client]
        return any(answers(tally.succeeded, tally.suspected, self.limits) for tally in others)

    def _version_reason(self, tallies: Tallies) -> str | None:
        limits, total = self.limits, sum(tallies.values(), NOTHING)
        judged = total.succeeded + total.suspected
        known = total.answered_before >= ANSWERED_BEFORE
        if not known and not self._several(tallies):
            return None
        whose = "also of inputs that succeeded before" if known else "of several clients"
        if judged >= limits.least and total.suspected > limits.share * judged:
            failed = f"{total.suspected} of {judged} attempts in {limits.window_s:g} s failed, {whose}"
            return f"{failed}, more than {limits.share:.0%}."
        if total.spent >= limits.dead and not total.succeeded:
            return (
                f"Every job fails, {whose}: {total.spent} ended dead in {limits.window_s:g} s"
                " and none succeeded."
            )
        return None

    def _several(self, tallies: Tallies) -> bool:
        """Return whether the failures are those of several clients, and of most that use the version."""
        share = self.limits.share
        judged = {client: tally.succeeded + tally.suspected for client, tally in tallies.items()}
        active = [client for client in judged if judged[client]]
        failing = [
            tallies[client].suspected
            for client in active
            if tallies[client].suspected > share * judged[client]
        ]
        return len(failing) > max(1.0, share * len(active)) and (
            sum(failing) - max(failing) >= others_needed(self.limits)
        )

    def _clients(self, tallies: Tallies) -> Iterator[Finding]:
        for client, tally in tallies.items():
            reason = self._client_reason(tally)
            if reason:
                yield Finding(client, reason, of_inputs=not tally.blamed)

    def _client_reason(self, tally: VerdictTally) -> str | None:
        limits, judged = self.limits, tally.succeeded + tally.blamed
        if judged >= limits.least and tally.blamed > limits.share * judged:
            failed = f"{tally.blamed} of the client's {judged} attempts in {limits.window_s:g} s failed"
            return f"{failed}, more than {limits.share:.0%}."
        if tally.dead >= limits.dead and not tally.succeeded:
            return (
                f"Every job of the client fails: {tally.dead} ended dead in {limits.window_s:g} s"
                " and none succeeded."
            )
        return None


def answers(succeeded: int, failed: int, limits: BreakerLimits) -> bool:
    """Return whether these verdicts are those of a version that works."""
    return succeeded >= others_needed(limits) and failed <= limits.share * (succeeded + failed)


def others_needed(limits: BreakerLimits) -> int:
    """Return how many verdicts of others count as evidence."""
    return max(1, limits.least // OTHERS_PART)
