"""A whole stack that has little to do: what it costs idle, and how soon it answers one job at a time.

`make up`'s processes with all their loops, on a database that counts its statements (`pg_stat_statements`
with planning). Each part shows the CPU by process and the ten costliest statements. QUIET_PARTS names some
of the parts (`idle,20,100,500,waiting,closed,sixty`), QUIET_SECONDS how long each one is measured, and
BENCH_LIGHT=1 leaves out Flower, beat, the worker of webhooks and MiniLM, for a quick look at one part.

The model sleeps 5 ms and 0.1 ms an item. What the figures of other systems were, in the same harness on two
quiet cores, stands beside.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from inference_site.stack.services import PROJECT
from jobs.management.demo.figures import percentile
from tests.benchmarks.bed import Bed, whole_bed
from tests.benchmarks.costly_statements import costly_statements, forget_statements
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.poisson import offer, stored_moments
from tests.benchmarks.processes import Snapshot, Spent, snapshot

MODEL, SEED = "sleeper", 1
SECONDS = float(os.environ.get("QUIET_SECONDS", "8"))
WARM_S, CALM_S = 2.0, 5.0
CONNECTIONS = 128
SIXTY = 60
RELAY_CONNECTIONS = ("jobs-loop",)
LIVE = "SELECT count(*) FROM jobs_job WHERE state <> 'succeeded'"
MODELS = "SELECT count(*) FROM models_registry_registeredmodel"
JOBS = "SELECT id::text, 'batch:' || batch_id FROM jobs_job"
GAPS = """
SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY started_at - created_at),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY finished_at - started_at)
FROM jobs_job WHERE finished_at >= to_timestamp({since!r})
"""
MORE_MODELS = """
from models_registry.services.register import move_alias, register_version
from models_registry.services.register_builtin import MODELS
for number in range({count}):
    name = f"copy-{{number}}"
    register_version(name=name, version="1", **MODELS["sleeper"])
    move_alias(name=name, alias="default", version="1")
"""
PEERS = (
    Figure("closed loop: celery-batches, results stored", "277/s, 4.7 ms of CPU a job"),
    Figure("closed loop: Triton (PyTriton), stores nothing", "1,495/s, 0.63 ms of CPU a job"),
    Figure("closed loop: mosec, stores nothing", "4,006/s, 0.10 ms of CPU a job"),
    Figure("100/s: celery-batches", "p50 55, p99 82 ms"),
    Figure("500/s: Triton; mosec; celery-batches", "p50 19, p99 64; 17, 33 ms; not sustained"),
)


def measure() -> Iterator[Figure]:
    names = os.environ.get("QUIET_PARTS", ",".join(PARTS)).split(",")
    if unknown := set(names) - set(PARTS):
        raise SystemExit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    with whole_bed("quiet") as ground:
        ground.bulk(MODEL, 10, {})
        ground.until(LIVE, 0)
        for name in names:
            yield from PARTS[name](ground)
    yield from PEERS


def _idle(ground: Bed) -> Iterator[Figure]:
    yield from _at_rest(ground, "idle, 3 models", 3)


def _at_rest(ground: Bed, what: str, goal: float) -> Iterator[Figure]:
    time.sleep(CALM_S)
    forget_statements(ground)
    before = snapshot(ground)
    time.sleep(SECONDS)
    spent = before.until(snapshot(ground))
    yield at_most(what, 100 * spent.total_s / spent.seconds, goal, "% of a core")
    yield from _where(ground, what, spent)


def _at_20(ground: Bed) -> Iterator[Figure]:
    yield from _few(ground, 20)


def _at_100(ground: Bed) -> Iterator[Figure]:
    yield from _few(ground, 100)


def _few(ground: Bed, per_s: int) -> Iterator[Figure]:
    answers, spent = _asked(ground, "open", str(per_s), str(SEED))
    yield from _answered(ground, f"{per_s}/s, waiting", answers, spent, p50_ms=14, p99_ms=30)


def _waiting(ground: Bed) -> Iterator[Figure]:
    answers, spent = _asked(ground, "open", "500", str(SEED))
    yield from _answered(ground, "500/s, waiting", answers, spent, p50_ms=20, p99_ms=41)


def _closed(ground: Bed) -> Iterator[Figure]:
    answers, spent = _asked(ground, "closed", str(CONNECTIONS))
    what = f"closed loop, {CONNECTIONS} connections"
    yield at_least(what, len(answers["waits_s"]) / answers["seconds"], 1_500, "jobs/s")
    yield from _answered(ground, what, answers, spent)


def _at_500(ground: Bed) -> Iterator[Figure]:
    """Offer 500 a second without waiting; a job is stored when its batch's notification arrives."""
    offer(ground, MODEL, 500, WARM_S)
    ground.until(LIVE, 0)
    forget_statements(ground)
    before = snapshot(ground)
    with stored_moments(ground.stack) as stored:
        answers = offer(ground, MODEL, 500, SECONDS)
        ground.until(LIVE, 0)
    spent = before.until(snapshot(ground))
    assert not answers["refused"]
    batches: dict[str, str] = dict(ground.database.execute(JOBS).fetchall())
    waits = [stored[batches[job]] - due for job, due, _, _ in answers["sent"]]
    yield from _spread("500/s, request to stored", waits, p50_ms=20, p99_ms=41)
    posts = [answered - due for _, due, _, answered in answers["sent"]]
    yield Figure("500/s, request to 202", f"p50 {_ms(posts, 0.5)}, p99 {_ms(posts, 0.99)}")
    yield at_most("500/s, CPU of all processes", spent.total_s / len(waits) * 1e3, 1.4, "ms a job")
    yield from _where(ground, "500/s", spent, len(waits), answers["cpu_s"])


def _sixty(ground: Bed) -> Iterator[Figure]:
    """Compare the relay beside one busy model alone, and among sixty."""
    _, alone = _asked(ground, "open", "100", str(SEED))
    ground.manage("shell", "-c", MORE_MODELS.format(count=SIXTY - ground.one(MODELS)))
    yield from _at_rest(ground, f"idle, {SIXTY} models", 5)
    answers, among = _asked(ground, "open", "100", str(SEED))
    ratio = _relay_s(among) / _relay_s(alone)
    yield at_most(f"relay and its connections, 1 busy model of {SIXTY}, over alone", ratio, 1.2)
    what = f"100/s, waiting, 1 busy model of {SIXTY}"
    yield from _answered(ground, what, answers, among, p50_ms=14, p99_ms=30)


def _relay_s(spent: Spent) -> float:
    """Return the CPU a second of the relay, and of Postgres for it."""
    behind = sum(spent.backends.get(name, 0.0) for name in RELAY_CONNECTIONS)
    return (spent.by_process["relay"] + behind) / spent.seconds


PARTS: dict[str, Callable[[Bed], Iterator[Figure]]] = {
    "idle": _idle,
    "20": _at_20,
    "100": _at_100,
    "500": _at_500,
    "waiting": _waiting,
    "closed": _closed,
    "sixty": _sixty,
}


def _asked(ground: Bed, *words: str) -> tuple[dict[str, Any], Spent]:
    """Load the stack from another process; return what that printed, and what the stack spent meanwhile."""
    info = ground.stack.info
    ours = [info["api"], info["token"], MODEL, str(WARM_S), str(SECONDS), *words]
    command = [sys.executable, "-m", "tests.benchmarks.asking", *ours]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        before = _at_the_line(ground, client.stdout.readline())
        forget_statements(ground)
        after = _at_the_line(ground, client.stdout.readline())
        answers: dict[str, Any] = json.loads(client.stdout.read())
    return answers, before.until(after)


def _at_the_line(ground: Bed, line: str) -> Snapshot:
    assert line, "the client ended early"
    return snapshot(ground)


def _answered(
    ground: Bed, what: str, answers: dict[str, Any], spent: Spent, **goals: float
) -> Iterator[Figure]:
    waits: list[float] = answers["waits_s"]
    yield from _spread(f"{what}, request to answer", waits, **goals)
    if answers["unanswered"]:
        yield Figure(f"{what}: calls without a result", f"{answers['unanswered']:,}")
    since = time.time() - answers["seconds"]
    _, queued, ran = ground.one(GAPS.format(since=since))
    yield Figure("   p50, created to claimed; claimed to settled", f"{_gap(queued)}; {_gap(ran)}")
    yield from _where(ground, what, spent, len(waits), answers["cpu_s"])


def _spread(
    what: str, waits: Sequence[float], *, p50_ms: float | None = None, p99_ms: float | None = None
) -> Iterator[Figure]:
    for share, goal in ((0.5, p50_ms), (0.99, p99_ms)):
        name, value = f"{what}: p{share * 100:.0f}", percentile(waits, share) * 1e3
        yield Figure(name, f"{value:.1f} ms") if goal is None else at_most(name, value, goal, "ms")


def _where(ground: Bed, what: str, spent: Spent, jobs: int = 0, client_s: float = 0.0) -> Iterator[Figure]:
    yield from spent.figures(what, jobs, client_s)
    yield from costly_statements(ground, jobs)


def _ms(waits: Sequence[float], share: float) -> str:
    return f"{percentile(waits, share) * 1e3:.1f} ms"


def _gap(gap: Any) -> str:
    return "none" if gap is None else f"{gap.total_seconds() * 1e3:.1f} ms"
