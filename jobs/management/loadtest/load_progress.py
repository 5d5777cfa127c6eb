"""The line that is shown while a load test runs; another thread draws it, because that takes some ms."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from jobs.management.loadtest.load_record import JobFate, LoadRecord
from jobs.management.loadtest.load_run import Clock, Watch

EVERY_S, LINE_EVERY_S = 0.5, 5.0
SWITCH_S = 0.0005  # how long the drawing thread may keep the sender waiting
RECENT = 1_000


class LoadProgress:
    """The state of a run in one line."""

    def __init__(self, record: LoadRecord, clock: Clock) -> None:
        self._record, self._clock = record, clock
        self._last_s = record.calls[-1].at_s
        self._intended = sum(len(call.jobs) for call in record.calls)

    def __rich__(self) -> RenderableType:
        """Return the line as it is now."""
        return Text(self.words())

    def words(self) -> str:
        """Return the line as it is now."""
        fates = dict(self._record.fates)
        sent = self._intended - fates.get(JobFate.NOT_SENT, 0)
        lost = sum(fates.get(fate, 0) for fate in (JobFate.REFUSED, JobFate.DEAD, JobFate.EXPIRED))
        late = sorted(self._record.late_s[-RECENT:])
        late_ms = late[int(0.99 * len(late))] * 1e3 if late else 0.0
        return (
            f"{max(0.0, self._clock.now_s()):6.1f} s of {self._last_s:.0f}"
            f"   sent {sent:,} of {self._intended:,}"
            f"   succeeded {fates.get(JobFate.SUCCEEDED, 0):,}   open {fates.get(JobFate.UNFINISHED, 0):,}"
            f"   no answer yet or failed {fates.get(JobFate.FAILED, 0):,}   refused or dead {lost:,}"
            f"   late p99 {late_ms:.1f} ms"
        )


@contextmanager
def shown_progress(console: Console) -> Iterator[Watch]:
    """Yield what shows a run's progress until the block ends: live on a terminal, else lines."""
    over, threads = threading.Event(), list[threading.Thread]()
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)

    def watch(record: LoadRecord, clock: Clock) -> None:
        show = _live if console.is_terminal else _lines
        thread = threading.Thread(target=show, args=(console, LoadProgress(record, clock), over), daemon=True)
        thread.start()
        threads.append(thread)

    try:
        yield watch
    finally:
        over.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before_s)


def _live(console: Console, progress: LoadProgress, over: threading.Event) -> None:
    with Live(progress, console=console, auto_refresh=False) as live:
        while not over.wait(EVERY_S):
            live.refresh()
        live.refresh()


def _lines(console: Console, progress: LoadProgress, over: threading.Event) -> None:
    while not over.wait(LINE_EVERY_S):
        console.print(progress.words(), soft_wrap=True, highlight=False)
