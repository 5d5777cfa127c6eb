"""The load is what the processors did since the last look, and is looked at once a period."""

from __future__ import annotations

import pytest

from jobs.worker.stages.host_load import PERIOD_S, HostLoad, cpu_times


def test_the_load_is_the_busy_share_since_the_last_look(monkeypatch: pytest.MonkeyPatch) -> None:
    now, times = [10.0], [(100.0, 1000.0)]
    monkeypatch.setattr("jobs.worker.stages.host_load.time.monotonic", lambda: now[0])
    load = HostLoad(lambda: times[-1])
    assert load() == 0.0
    times.append((103.0, 1004.0))
    assert load() == 0.0, "not looked at again yet"
    now[0] += PERIOD_S
    assert load() == 0.75
    now[0] += PERIOD_S
    assert load() == 0.75, "the clock of the processors did not move"


def test_the_times_of_this_host_s_processors_move() -> None:
    before = cpu_times()
    sum(range(3_000_000))
    busy, total = cpu_times()
    assert 0 <= busy - before[0] <= total - before[1] + 0.02
