"""The report of a load test: what `report.json` holds. Its JSON schema is made of these classes."""

from __future__ import annotations

from typing import Literal

import msgspec

LoadVerdict = Literal["good", "missed", "invalid"]


class LoadSums(msgspec.Struct, frozen=True, kw_only=True):
    """Every job of the plan, counted once.

    intended = sent + not_sent; sent = accepted + refused + failed; accepted = the five ends.
    `failed`: the call got no answer, or none of the API; `unfinished`: no end within `--follow`.
    """

    intended: int
    sent: int
    not_sent: int
    accepted: int
    refused: int
    failed: int
    succeeded: int
    dead: int
    expired: int
    cancelled: int
    unfinished: int

    @property
    def closes(self) -> bool:
        """Return whether every job is in exactly one place."""
        ends = self.succeeded + self.dead + self.expired + self.cancelled + self.unfinished
        return (
            self.intended == self.sent + self.not_sent
            and self.sent == self.accepted + self.refused + self.failed
            and self.accepted == ends
        )


class LatencySpread(msgspec.Struct, frozen=True, kw_only=True):
    """The spread of a time in milliseconds; None where nothing was measured."""

    count: int
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None


class LoadRates(msgspec.Struct, frozen=True, kw_only=True):
    """What happened within the duration, a second; `throughput`: successes, None if no ends were seen."""

    intended: float
    sent: float
    accepted: float
    throughput: float | None


class GoalResult(msgspec.Struct, frozen=True, kw_only=True):
    """A goal beside what was seen; jobs that did not succeed count as slower than any other.

    `seen_ms` is None where the percentile falls on such a job.
    """

    goal: str
    limit_ms: float
    seen_ms: float | None
    met: bool


class LoadSlice(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs that were due in one slice of the time; `finished`: jobs that ended well within it.

    `latencies_us`: how many jobs had which latency, to two digits.
    """

    at_s: float
    intended: int
    sent: int
    accepted: int
    succeeded: int
    finished: int
    latencies_us: dict[int, int]


class LoadSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the load was made; with the same seed and platform the same jobs are sent at the same moments."""

    target: str
    profile: str
    rate: float
    duration_s: float
    seed: int
    mix: dict[str, float]
    mode: str
    wait: str
    clients: int
    replay: str = ""
    speed: float = 1.0


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report. `latency_ms`: from the intended moment of a job to the one that `measured` names.

    `unmeasured` jobs ended unseen. `details`: what was said at the first error of a kind.
    `hdr` is the histogram of all latencies in microseconds, in HdrHistogram's own encoding.
    """

    format: Literal["inference-loadtest/1"]
    verdict: LoadVerdict
    reasons: list[str]
    began_at: str
    settings: LoadSettings
    sums: LoadSums
    unmeasured: int
    rates: LoadRates
    measured: Literal["ended", "accepted"]
    latency_ms: LatencySpread
    accepted_ms: LatencySpread
    lateness_ms: LatencySpread
    goals: list[GoalResult]
    errors: dict[str, int]
    details: dict[str, str]
    models: dict[str, LatencySpread]
    slice_s: float
    slices: list[LoadSlice]
    hdr: str
