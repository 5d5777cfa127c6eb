"""One round: a load runs while faults come and go; then every job must end, and the checker judges."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from inference_site.stack.leash import death_words
from inference_site.stack.services import PROJECT
from tests.chaos import audit
from tests.chaos.checker import Dump, RolledOut, Row, Shadowed, Verdict, gather, judge
from tests.chaos.faults.fault import Fault, NothingHitError
from tests.chaos.records import COMPARED, read
from tests.chaos.recovery import recovery_s
from tests.chaos.waits import Waits, waits
from tests.chaos.world import LIMIT_S, Ground, World, world
from tests.support.wait import NotInTimeError, wait_until

BEFORE_S, LAST_S = 2.0, 150.0
TRIES = 3


@dataclass(frozen=True)
class Passed:
    """A fault that came and went: when, in seconds of the round, and how long recovery took.

    `p99_s` bounds the waits of the jobs that were accepted between `since` and `healed`.
    """

    name: str
    at_s: float
    began: float
    since: float
    healed: float
    recovery_s: float | None
    trouble: str = ""
    hits: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()
    p99_s: float | None = None


@dataclass(frozen=True)
class Outcome:
    """The result of a round."""

    passed: list[Passed]
    verdict: Verdict
    drained_s: float
    waits: list[Waits | None]


class Round:
    """A stack under load that suffers faults one after another."""

    def __init__(
        self, home: Path, *, seed: int, rate: float, ground: Ground = Ground.PLAIN, bounded: bool = True
    ) -> None:
        """Prepare to run under `home`; only if `bounded` are long waits a mistake."""
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.seed, self.rate, self.ground = home, seed, rate, ground
        self.passed: list[Passed] = []
        self.began = time.time()
        self._bounded = bounded
        self._loading: subprocess.Popen[bytes] | None = None

    def run(self, faults: Iterable[Fault]) -> Outcome:
        with world(self.home, self.ground) as ground:
            self.began = time.time()
            with self._load(ground), ground.rolling.tended(), contextlib.ExitStack() as lasting:
                for number, fault in enumerate(faults):
                    ground.chance = random.Random(f"{self.seed}/{number}/{fault.name}")
                    if fault.lasts:
                        lasting.enter_context(self._lasting(ground, fault))
                    else:
                        self._suffer(ground, fault)
            drained_s = self._drain(ground)
            return self._outcome(ground, drained_s)

    def accepted(self) -> int:
        """Return how many jobs the API has accepted so far."""
        paths = [path for path in (self.home / "load.jsonl", self.home / "suite.jsonl") if path.exists()]
        return sum(len(record["ids"]) for record in read(paths) if record["kind"] == "accepted")

    @contextlib.contextmanager
    def _load(self, ground: World) -> Iterator[None]:
        words = [*death_words_of_load(), str(ground.stack.run_dir), str(self.home / "load.jsonl")]
        with (self.home / "load.log").open("ab") as log:
            load = subprocess.Popen(
                [*words, str(self.seed), str(self.rate)], stdin=subprocess.PIPE, stderr=log, cwd=PROJECT
            )
        self._loading = load
        try:
            yield
        finally:
            assert load.stdin is not None
            load.stdin.close()
            load.wait(300)

    def _suffer(self, ground: World, fault: Fault) -> None:
        """Inject a fault and heal it; one that hits nothing is tried again."""
        for _ in range(TRIES):
            with self._posting(fault.load):
                passed = self._once(ground, fault)
            if passed.hits or passed.trouble:
                break
        self.passed.append(passed)

    @contextlib.contextmanager
    def _posting(self, share: float) -> Iterator[None]:
        """Have the load post this share of the rate during the block."""
        self._post(self.rate * share)
        try:
            yield
        finally:
            self._post(self.rate)

    def _post(self, rate: float) -> None:
        load = self._loading
        if load is not None and load.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                load.stdin.write(f"{rate}\n".encode())
                load.stdin.flush()

    def _once(self, ground: World, fault: Fault) -> Passed:
        time.sleep(BEFORE_S)
        rolls = ground.rolling.wait_for_one()
        ground.forget()
        began, trouble, took = time.time(), "", None
        healed = began
        ground.recorder.write("fault", name=fault.name, phase="inject")
        try:
            with fault.act(ground):
                # Half of the faults meet a roll-out that goes on, the others one that goes back.
                if rolls and len(self.passed) % 2:
                    ground.rolling.roll_back_soon()
                time.sleep(fault.hold_s)
                healed = time.time()
        except NothingHitError as missed:
            ground.note(str(missed))
            ground.hits.clear()
        except Exception:  # noqa: BLE001  # the table shows it; the round goes on
            trouble = traceback.format_exc(limit=-2)
        ground.recorder.write("fault", name=fault.name, phase="heal")
        try:
            took = recovery_s(ground)
        except NotInTimeError as error:
            trouble += str(error)
        ground.recorder.write("fault", name=fault.name, phase="recovered", seconds=took, trouble=trouble)
        since = max(began, ground.since)
        passed = Passed(fault.name, began - self.began, began, since, max(healed, since), took, trouble)
        return replace(
            passed,
            hits=dict(ground.hits),
            notes=(*ground.notes,),
            p99_s=fault.p99_s if self._bounded else None,
        )

    @contextlib.contextmanager
    def _lasting(self, ground: World, fault: Fault) -> Iterator[None]:
        """Hold a fault until the end of the round."""
        began, trouble = time.time(), ""
        ground.recorder.write("fault", name=fault.name, phase="inject")
        try:
            with fault.act(ground):
                yield
                ground.forget()
        except Exception:  # noqa: BLE001
            trouble = traceback.format_exc(limit=-2)
        ground.recorder.write("fault", name=fault.name, phase="heal")
        passed = Passed(fault.name, began - self.began, began, began, time.time(), 0.0, trouble)
        self.passed.append(replace(passed, hits=dict(ground.hits), notes=(*ground.notes,)))

    def _drain(self, ground: World) -> float:
        """Wait until no job is live and every queue is empty, or time is up; return the seconds."""
        started = time.monotonic()
        with contextlib.suppress(NotInTimeError):
            wait_until(lambda: not ground.live(), limit_s=LAST_S, every_s=1.0)
            wait_until(lambda: not any(_leftovers(ground).values()), limit_s=LIMIT_S, every_s=3.0)
        return time.monotonic() - started

    def _outcome(self, ground: World, drained_s: float) -> Outcome:
        ground.recorder.copy(audit.history(ground.database))
        paths = [self.home / "load.jsonl", self.home / "suite.jsonl"]
        (self.home / "history.jsonl").write_bytes(b"".join(path.read_bytes() for path in paths))
        rows = {job: Row(*columns) for job, *columns in ground.rows(audit.ROWS)}
        history = gather(read([self.home / "history.jsonl"]))
        counts = {batch: (counted, jobs) for batch, counted, jobs in ground.rows(audit.LEDGER)}
        rollouts = [RolledOut(*columns) for columns in ground.rows(audit.ROLLOUTS, audit.LATE_S)]
        moved = [job for (job,) in ground.rows(audit.MOVED)]
        steps = dict(ground.rows(audit.STEPS))
        shadows = [Shadowed(*columns) for columns in ground.rows(audit.SHADOWS)]
        dump = Dump(rows, _leftovers(ground), ground.dead_letters(), counts, rollouts, moved)
        exposed = dict(ground.rows(audit.EXPOSED, COMPARED))
        dump = replace(
            dump, exposed=exposed, feedback=dict(ground.rows(audit.FEEDBACK)), shadows=shadows, steps=steps
        )
        verdict = judge(history, dump)
        spans = [waits(history, passed.since, passed.healed) for passed in self.passed]
        return Outcome(self.passed, verdict, drained_s, spans)


def _leftovers(ground: World) -> dict[str, int]:
    """Return how much work is left in each place that should be empty."""
    side = {what: ground.rows(query)[0][0] for what, query in audit.SIDE_ROWS.items()}
    return side | ground.messages()


def death_words_of_load() -> list[str]:
    return [*death_words(signal.SIGKILL), sys.executable, "-m", "tests.chaos.load"]
