"""Reports of made-up runs, for tests of what reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import msgspec

from jobs.core.loadtest.load_report import (
    LatencySpread,
    LoadRates,
    LoadReport,
    LoadSettings,
    LoadSlice,
    LoadSums,
)

SETTINGS = LoadSettings(
    target="http://127.0.0.1:1", profile="constant", rate=100.0, duration_s=30.0, seed=1,
    mix={"echo": 1.0}, mode="single", wait="poll", clients=1,
)  # fmt: skip
EMPTY = LatencySpread(count=0)


def sums(**counts: int) -> LoadSums:
    whole = dict.fromkeys(LoadSums.__struct_fields__, 0) | counts
    return LoadSums(**whole)


def run(
    latency_s: Callable[[Random], float], *, seed: int, per_slice: int = 100, lost: int = 0
) -> LoadReport:
    """Return a run of 30 slices of a second; of each slice's jobs `lost` do not succeed."""
    rng = Random(seed)
    slices = [one_slice(number, [latency_s(rng) for _ in range(per_slice)], lost) for number in range(30)]
    count = per_slice * 30
    return report(
        slices, sums(intended=count, sent=count, accepted=count, succeeded=count - 30 * lost, dead=30 * lost)
    )


def one_slice(number: int, latencies_s: Sequence[float], lost: int) -> LoadSlice:
    count, done = len(latencies_s), len(latencies_s) - lost
    values = Counter(
        int(f"{latency * 1e6:.1e}".partition(".")[0] or 0) and int(float(f"{latency * 1e6:.1e}"))
        for latency in latencies_s[:done]
    )
    return LoadSlice(
        at_s=float(number), intended=count, sent=count, accepted=count, succeeded=done, finished=done,
        latencies_us=dict(values),
    )  # fmt: skip


def report(slices: Sequence[LoadSlice], counts: LoadSums) -> LoadReport:
    return LoadReport(
        format="inference-loadtest/1", verdict="good", reasons=[], began_at="2026-01-31T12:00:00+00:00",
        settings=SETTINGS, sums=counts, unmeasured=0, measured="ended", latency_ms=EMPTY, accepted_ms=EMPTY,
        rates=LoadRates(intended=100.0, sent=100.0, accepted=100.0, throughput=100.0), lateness_ms=EMPTY,
        goals=[], errors={}, models={}, slice_s=1.0, slices=list(slices), hdr="",
    )  # fmt: skip


def changed(old: LoadReport, **values: object) -> LoadReport:
    return msgspec.structs.replace(old, **values)
