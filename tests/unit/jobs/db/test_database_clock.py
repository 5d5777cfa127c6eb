from __future__ import annotations

import logging

import pytest

from jobs.db.database_clock import JUMP_S, STALE_S, DatabaseClock

DAY_S = 86_400.0


class Host:
    """A host's two clocks."""

    def __init__(self, *, ahead_s: float = 0.0) -> None:
        self.passed_s, self.ahead_s = 0.0, ahead_s

    def monotonic(self) -> float:
        return 5_000.0 + self.passed_s

    def wall(self) -> float:
        return 1_000_000.0 + self.passed_s + self.ahead_s

    def database(self) -> float:
        return 1_000_000.0 + self.passed_s


def clock_of(host: Host) -> DatabaseClock:
    return DatabaseClock(monotonic=host.monotonic, wall=host.wall)


def test_the_time_goes_by_the_database_and_not_by_the_host() -> None:
    host = Host(ahead_s=40 * DAY_S)
    clock = clock_of(host)
    clock.measured(host.database())
    host.passed_s += 10
    assert clock.now_s() == host.database()
    host.ahead_s = -40 * DAY_S
    assert clock.now_s() == host.database()


def test_before_the_first_measurement_it_is_the_host_s_time() -> None:
    host = Host()
    clock = clock_of(host)
    assert clock.stale
    assert clock.now_s() == host.wall()


def test_a_measurement_is_due_after_a_while_and_after_a_jump() -> None:
    host = Host()
    clock = clock_of(host)
    clock.measured(host.database())
    host.passed_s += STALE_S / 2
    due = [clock.stale]
    host.ahead_s += 2 * JUMP_S
    due += [clock.stale]
    clock.measured(host.database())
    due += [clock.stale]
    host.passed_s += 2 * STALE_S
    assert [*due, clock.stale] == [False, True, False, True]


def test_a_jump_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    host = Host(ahead_s=1.0)
    clock = clock_of(host)
    with caplog.at_level(logging.WARNING):
        clock.measured(host.database())
        assert not caplog.records
        host.ahead_s = 3_600.0
        clock.measured(host.database())
        clock.measured(host.database())
    assert [record.message for record in caplog.records] == [
        "the host's clock is 3600.0 s ahead of the database's, and was 0.0 s ahead before"
    ]
