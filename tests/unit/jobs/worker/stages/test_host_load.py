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


def test_a_host_that_says_nothing_counts_as_having_room(monkeypatch: pytest.MonkeyPatch) -> None:
    now, busy_s = [10.0], [0.0]
    monkeypatch.setattr("jobs.worker.stages.host_load.time.monotonic", lambda: now[0])

    def read() -> tuple[float, float]:
        if busy_s[0] < 0.0:
            raise OSError(24, "Too many open files")
        return busy_s[0], now[0]

    load = HostLoad(read)
    for seconds, wanted in ((1.0, 1.0), (-1.0, 0.0), (1.5, 0.25)):
        now[0], busy_s[0] = now[0] + 1.0, seconds
        assert load() == wanted


def test_a_worker_starts_where_the_host_says_nothing() -> None:
    def read() -> tuple[float, float]:
        raise FileNotFoundError("/proc/stat")

    assert HostLoad(read)() == 0.0
