"""Reports of made-up runs, for tests of what reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from jobs.core.loadtest.load_report import (
    LatencySpread,
    LoadRates,
    LoadReport,
    LoadSettings,
    LoadSlice,
    LoadSums,
)

SECONDS, PER_S = 30, 100
SETTINGS = LoadSettings(
    target="http://127.0.0.1:1", profile="constant", rate=100.0, duration_s=30.0, seed=1,
    mix={"echo": 1.0}, mode="single", wait="poll", clients=1,
)  # fmt: skip
EMPTY = LatencySpread(count=0)


def sums(**counts: int) -> LoadSums:
    return LoadSums(**(dict.fromkeys(LoadSums.__struct_fields__, 0) | counts))


def made_up(latency_s: Callable[[Random], float], *, seed: int, lost: int = 0) -> LoadReport:
    """Return a run of 100 jobs a second, of which `lost` a second do not succeed."""
    rng = Random(seed)
    slices = [one_slice(second, [latency_s(rng) for _ in range(PER_S - lost)]) for second in range(SECONDS)]
    count, dead = PER_S * SECONDS, lost * SECONDS
    return report(slices, sums(intended=count, sent=count, accepted=count, succeeded=count - dead, dead=dead))


def one_slice(second: int, latencies_s: Sequence[float]) -> LoadSlice:
    count = len(latencies_s)
    return LoadSlice(
        at_s=float(second), intended=PER_S, sent=PER_S, accepted=PER_S, succeeded=count, finished=count,
        latencies_us=dict(Counter(two_digits(latency * 1e6) for latency in latencies_s)),
    )  # fmt: skip


def two_digits(value: float) -> int:
    return round(float(f"{value:.1e}"))


def report(slices: Sequence[LoadSlice], counts: LoadSums) -> LoadReport:
    return LoadReport(
        format="inference-loadtest/1", verdict="good", reasons=[], began_at="2026-01-31T12:00:00+00:00",
        settings=SETTINGS, sums=counts, unmeasured=0, measured="ended", latency_ms=EMPTY, accepted_ms=EMPTY,
        rates=LoadRates(intended=100.0, sent=100.0, accepted=100.0, throughput=100.0), lateness_ms=EMPTY,
        goals=[], errors={}, details={}, models={}, slice_s=1.0, slices=list(slices), hdr="",
    )  # fmt: skip
