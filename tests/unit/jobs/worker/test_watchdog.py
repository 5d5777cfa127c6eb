"""The watchdog does nothing while batches keep their limits, and ends the process once one does not."""

from __future__ import annotations

import math
import time
from threading import Event
from typing import Any
from uuid import UUID

from jobs.core.batching.sealed_batch import SealReason
from jobs.worker.stages.claimed_batch import ClaimedBatch
from jobs.worker.watchdog import EXIT_CODE, Watchdog


def work(*, busy_s: float | None, limit_s: float = 0.0) -> ClaimedBatch:
    made = ClaimedBatch(UUID(int=1), 1, 1, SealReason.IDLE, [])
    made.busy_since = None if busy_s is None else time.monotonic() - busy_s
    made.limit_s = limit_s
    return made


def watchdog(*batches: ClaimedBatch, **changes: Any) -> Watchdog:
    defaults: dict[str, Any] = {"limit_s": 10.0, "last_words": lambda: None, "stopped": Event()}
    return Watchdog(lambda: list(batches), **(defaults | changes))


def test_a_batch_within_its_limit_or_between_stages_does_not_hang() -> None:
    now = time.monotonic()
    assert watchdog(work(busy_s=9), work(busy_s=None)).hung(now) is None
    assert watchdog(work(busy_s=50, limit_s=60)).hung(now) is None


def test_a_batch_past_its_limit_hangs_and_a_version_s_limit_overrides() -> None:
    now = time.monotonic()
    assert watchdog(work(busy_s=11)).hung(now) is not None
    assert watchdog(work(busy_s=3, limit_s=2)).hung(now) is not None


def test_the_process_ends_after_its_last_words() -> None:
    ends: list[object] = []
    watchdog(work(busy_s=11), last_words=lambda: ends.append("hung"), end=ends.append).run()
    assert ends == ["hung", EXIT_CODE]


def test_the_process_ends_although_its_last_words_hang(monkeypatch: Any) -> None:
    monkeypatch.setattr("jobs.worker.watchdog.LAST_WORDS_S", 0.05)
    ends, never = list[int](), Event()
    watchdog(work(busy_s=11), last_words=never.wait, end=ends.append).run()
    never.set()
    assert ends == [EXIT_CODE]


def test_a_stopped_watchdog_ends_no_process() -> None:
    stopped, ends = Event(), list[int]()
    stopped.set()
    watchdog(work(busy_s=11), stopped=stopped, end=ends.append).run()
    assert ends == []


class Outer:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[float | str] = []

    def beat(self, left_s: float) -> None:
        self.heard.append(round(left_s, 1))

    def bye(self) -> None:
        self.heard.append("bye")


def test_it_beats_with_what_its_most_urgent_batch_has_left() -> None:
    now, outer = time.monotonic(), Outer()
    watchdog(work(busy_s=4), work(busy_s=2, limit_s=3), work(busy_s=None), outer=outer).hung(now)
    watchdog(outer=outer).hung(now)
    assert outer.heard == [1.0, math.inf]


def test_it_says_goodbye_once_it_is_stopped() -> None:
    stopped, outer = Event(), Outer()
    stopped.set()
    watchdog(stopped=stopped, outer=outer).run()
    assert outer.heard == ["bye"]


def test_the_time_in_which_the_process_was_stopped_counts_for_no_batch() -> None:
    now, batch = time.monotonic(), work(busy_s=4)
    watching = watchdog(batch)
    assert watching.hung(now) is None
    watching.forgive(60.0, used_s=0.1)
    assert watching.hung(now + 60) is None
    assert watching.hung(now + 67) is batch


def test_a_late_look_of_a_busy_process_is_no_pause() -> None:
    now, batch = time.monotonic(), work(busy_s=4)
    watching = watchdog(batch)
    assert watching.hung(now) is None
    watching.forgive(60.0, used_s=55.0)
    watching.forgive(0.6, used_s=0.0)
    assert watching.hung(now + 60) is batch
