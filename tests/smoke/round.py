"""One run: jobs are posted through the proxy while parts die and return; then everything is checked."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from inference_site.stack.leash import death_words
from inference_site.stack.services import PROJECT
from jobs.core.states import TERMINAL
from tests.chaos import audit
from tests.chaos.checker import Dump, History, Row, Verdict, gather, judge
from tests.chaos.records import Recorder, read
from tests.chaos.waits import Waits, waits
from tests.smoke.checks import Seen, complaints
from tests.smoke.faults import Fault
from tests.smoke.pauses import longest_pause_s
from tests.smoke.world import LIVE, World
from tests.support.wait import NotInTimeError, wait_until

BEFORE_S, AFTER_S = 3.0, 2.0
WARM_JOBS = 300
LAST_S = 120.0


@dataclass(frozen=True)
class Passed:
    """A fault that came and went; the times are seconds since 1970, `whole_s` from its healing on."""

    name: str
    began: float
    healed: float
    ended: float
    hits: Sequence[str]
    trouble: str = ""

    @property
    def whole_s(self) -> float:
        """Return how long it took until everything was in office again."""
        return self.ended - self.healed


@dataclass(frozen=True)
class Pauses:
    """The longest time in which no job of some model ended, and in which no call was accepted, in a span.

    `slowest_s` is the wait of the slowest job that was accepted in it, also of one that a dead worker held.
    """

    no_end_s: float
    no_post_s: float
    slowest_s: float
    waits: Waits | None


@dataclass(frozen=True)
class Outcome:
    """The result of a run."""

    passed: Sequence[Passed]
    pauses: Sequence[Pauses]
    overall: Pauses
    verdict: Verdict
    complaints: Sequence[str]
    seen: Seen
    jobs: int
    loaded_s: float
    drained_s: float
    started_s: float = 0.0
    notes: Sequence[str] = field(default_factory=tuple)


class Round:
    """A stack under load whose parts die."""

    def __init__(
        self, world: World, *, seed: int, rate: float, jobs: int, say: Callable[[str], None]
    ) -> None:
        """Prepare to post at least `jobs` jobs, `rate` a second."""
        self.world, self.seed, self.rate, self.jobs, self.say = world, seed, rate, jobs, say
        self._path = world.home / "load.jsonl"
        self.began = time.time()

    def run(self, faults: Sequence[Fault]) -> Outcome:
        """Run; the stack has ended when this returns."""
        with self.world.running(self.say):
            started_s = time.time() - self.began
            since = time.time()
            with self._load():
                self._wait_accepted(WARM_JOBS)
                warm = time.time()
                passed = [self._suffer(fault) for fault in faults]
                self.say(f"posts until {self.jobs} jobs are accepted")
                self._wait_accepted(self.jobs)
                until = time.time()
            drained_s = self._drain()
            return self._outcome(faults, passed, (since, warm, until), started_s, drained_s)

    @contextlib.contextmanager
    def _load(self) -> Iterator[None]:
        world = self.world
        words = [*death_words(signal.SIGKILL), sys.executable, "-m", "tests.smoke.load"]
        words += [world.addresses.api_url, str(world.rendered.ca_file), str(self._path)]
        words += [str(self.seed), str(self.rate)]
        env = {**os.environ, "TOKEN": world.token}
        with (world.home / "load.log").open("ab") as log:
            load = subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stderr=log, cwd=PROJECT)
        assert load.stdin is not None
        try:
            yield
        finally:
            load.stdin.close()
            load.wait(LAST_S)

    def _suffer(self, fault: Fault) -> Passed:
        time.sleep(BEFORE_S)
        self.say(fault.name)
        self.world.forget()
        began, trouble = time.time(), ""
        healed = began
        try:
            with fault.act(self.world):
                time.sleep(fault.hold_s)
                healed = time.time()
            self.world.wait_whole()
        except NotInTimeError as error:
            trouble = str(error)
        ended = time.time()
        time.sleep(AFTER_S)
        hits = [f"{count} {what}" for what, count in self.world.hits.items()]
        self.say(f"  {', '.join(hits)}; whole again {ended - healed:.1f} s after; {trouble}")
        return Passed(fault.name, began, healed, ended, hits, trouble)

    def _accepted(self) -> int:
        if not self._path.exists():
            return 0
        return sum(len(record["ids"]) for record in read([self._path]) if record["kind"] == "accepted")

    def _wait_accepted(self, count: int) -> None:
        limit_s = 60 + 3 * count / self.rate
        wait_until(
            lambda: self._accepted() >= count, limit_s=limit_s, every_s=0.5, what=f"{count} accepted jobs"
        )

    def _drain(self) -> float:
        """Wait until no job is live and every queue is empty, or time is up; return the seconds."""
        self.say("waits for the last jobs")
        began, world = time.monotonic(), self.world
        with contextlib.suppress(NotInTimeError):
            wait_until(lambda: not world.count(LIVE), limit_s=LAST_S, every_s=0.5)
            wait_until(lambda: not any(world.leftovers().values()), limit_s=LAST_S / 2, every_s=1.0)
        return time.monotonic() - began

    def _outcome(
        self,
        faults: Sequence[Fault],
        passed: list[Passed],
        span: tuple[float, float, float],
        started_s: float,
        drained_s: float,
    ) -> Outcome:
        self.say("judges")
        world, (since, warm, until) = self.world, span
        history, models, posts = self._history()
        rows = {job: Row(*columns) for job, *columns in world.rows(audit.ROWS)}
        ledger = {batch: (counted, jobs) for batch, counted, jobs in world.rows(audit.LEDGER)}
        # No job of these models dies, so the queues of dead letters are to be as empty as the leftovers say.
        dump = Dump(rows, world.leftovers(), frozenset(), ledger)
        of = partial(_pauses, history, _ends(history, models), posts)
        seen = Seen.of(world, since=warm, until=time.time())
        expected = {fault.alert for fault in faults if fault.alert}
        return Outcome(
            passed, [of(fault.began, fault.ended) for fault in passed], of(warm, until),
            judge(history, dump), complaints(world, seen, expected), seen,
            len(history.accepted), until - since, drained_s, started_s,
        )  # fmt: skip

    def _history(self) -> tuple[History, dict[str, str], list[float]]:
        """Return what happened, each job's model, and when calls were accepted."""
        kept = self.world.home / "audit.jsonl"
        Recorder(kept).copy(audit.history(self.world.primary.url))
        calls = [record for record in read([self._path]) if record["kind"] == "accepted"]
        models = {job: call["model"] for call in calls for job in call["ids"]}
        return gather(read([self._path, kept])), models, sorted(call["at"] for call in calls)


Ends = Mapping[str, Sequence[float]]


def _ends(history: History, models: Mapping[str, str]) -> Ends:
    """Return when jobs of each model ended, in order: one relay feeds one of them, another the other."""
    ends = defaultdict[str, list[float]](list)
    for job, changes in history.changes.items():
        ends[models.get(job, "")] += [change.at for change in changes if change.after in TERMINAL]
    return {model: sorted(times) for model, times in ends.items() if model}


def _pauses(history: History, ends: Ends, posts: Sequence[float], since: float, until: float) -> Pauses:
    longest = {model: longest_pause_s(times, since, until) for model, times in ends.items()}
    return Pauses(
        max(longest.values(), default=until - since),
        longest_pause_s(posts, since, until),
        _slowest_s(history, since, until),
        waits(history, since, until),
    )


def _slowest_s(history: History, since: float, until: float) -> float:
    """Return the longest wait of a job that was accepted in a span; infinite where one never ended."""
    waited = [
        next((c.at for c in history.changes.get(job, ()) if c.after in TERMINAL), math.inf) - accepted.at
        for job, accepted in history.accepted.items()
        if since <= accepted.at <= until
    ]
    return max(waited, default=0.0)
