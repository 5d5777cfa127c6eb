"""The simulator out of sample: calibrated on one run at half of the capacity, it foretells other runs.

Nothing of a run that is foretold is known but when its jobs came, and how long their inputs were: the times
of runs, claims, settles and deliveries are those of the run at load 0.5. A run's latencies are from the
commit of a job to the notification that its result is stored. What a figure misses is printed as it is.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import psutil

from inference_site.stack.services import PROJECT
from jobs.core.simulation.arrivals import Arrival
from jobs.core.simulation.plan import Crew, SimulationPlan
from jobs.core.simulation.world import simulate
from jobs.management.demo.corpus import sentences
from jobs.management.demo.figures import percentile
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_most
from tests.benchmarks.minilm import ONE_THREAD
from tests.benchmarks.poisson import stored_moments
from tests.support.app import register, stack_env
from tests.support.learned_plan import learned
from tests.support.wait import wait_until

WITHIN = 0.15
LOADS = (0.3, 0.7, 0.9)
CALIBRATED_AT = 0.5
SECONDS = 30.0
SEEDS = range(5)  # of what varies in a simulation
BASE_S, PER_ITEM_S, MAX_BATCH = 0.05, 0.005, 8
BULK_BATCHES = 60
GOOD, INVALID = 0, 3  # exit statuses of the load test; it is invalid where the client itself was late
LIVE = "SELECT count(*) FROM jobs_job WHERE state <> 'succeeded'"
RATE = """
SELECT (count(*) / extract(epoch FROM max(finished_at) - min(started_at)))::float8
FROM jobs_job WHERE created_at >= to_timestamp(%s)
"""
WORKERS = "SELECT count(DISTINCT worker_id) FROM jobs_batch WHERE claimed_at >= to_timestamp(%s)"
JOBS = """
SELECT extract(epoch FROM created_at)::float8, CASE WHEN %s THEN GREATEST(size, 1) ELSE 1 END, priority,
  client_id, version_id, 'batch:' || batch_id
FROM jobs_job WHERE created_at >= to_timestamp(%s) ORDER BY created_at, id
"""


@dataclass(frozen=True)
class Workload:
    """A model as it is offered; a burst profile sends five times the rate in a fifth of the time."""

    model: str
    version: str
    padded: bool = False
    bulk: int = 0  # jobs a call
    inputs: tuple[object, ...] = ({},)
    env: Mapping[str, str] = field(default_factory=dict)  # of its worker
    alone: bool = False  # no run with two workers

    @property
    def reference(self) -> str:
        return f"{self.model}:{self.version}"


@dataclass(frozen=True)
class SeenRun:
    """The jobs of a run in order, and the seconds from each one's commit to its stored result."""

    arrivals: list[Arrival]
    latencies_s: list[float]

    @property
    def figures(self) -> tuple[float, float, float]:
        """Return p50 and p95 in seconds, and jobs a second from the first job to the last end."""
        ends_s = [a.at_s + s for a, s in zip(self.arrivals, self.latencies_s, strict=True)]
        per_s = len(ends_s) / (max(ends_s) - self.arrivals[0].at_s)
        return percentile(self.latencies_s, 0.5), percentile(self.latencies_s, 0.95), per_s


def measure() -> Iterator[Figure]:
    sleeper = Workload("sleeper", "foretold")
    with bed("foretold", ("web", "stream", "relay")) as ground:
        words = ("--max-batch", str(MAX_BATCH), "--p95-goal-s", "2")
        register(ground.stack, *sleeper.reference.split(":"), "sleeper", *words,
                 base_s=BASE_S, per_item_s=PER_ITEM_S)  # fmt: skip
        yield from _figures(ground, sleeper)
    # One thread, so that a core is left for the platform; two such workers leave none.
    texts = tuple({"text": text} for text in sentences(1_500))
    minilm = Workload("minilm", "1", padded=True, bulk=8, inputs=texts, env=ONE_THREAD, alone=True)
    with bed("foretold-minilm", ("web", "stream", "relay")) as ground:
        yield from _figures(ground, minilm)


def _figures(ground: Bed, load: Workload) -> Iterator[Figure]:
    with TemporaryDirectory() as folder, ExitStack() as workers:
        inputs = Path(folder) / "inputs.jsonl"
        inputs.write_text("".join(json.dumps(value) + "\n" for value in load.inputs))
        workers.enter_context(ground.worker(load.model, env=load.env))
        capacity_per_s = _capacity(ground, load)
        yield Figure(f"{load.model}: capacity in one bulk", f"{capacity_per_s:.1f} jobs/s")
        plan, seen = _calibrated(ground, load, inputs, CALIBRATED_AT * capacity_per_s)
        yield Figure(f"{load.model}: learned from load {CALIBRATED_AT}", _words(plan))
        yield from _compared(f"{load.model}, load {CALIBRATED_AT}, the sample itself", plan, seen)
        for at in LOADS:
            seen = _run(ground, load, inputs, at * capacity_per_s)
            yield from _compared(f"{load.model}, load {at}", plan, seen)
        seen = _run(ground, load, inputs, CALIBRATED_AT * capacity_per_s, profile="burst")
        yield from _compared(f"{load.model}, bursts, load {CALIBRATED_AT}", plan, seen)
        if not load.alone:
            workers.enter_context(ground.worker(load.model, env=load.env, index=1))
            _wait_for_two(ground, load)
            seen = _run(ground, load, inputs, 1.4 * capacity_per_s)
            two = replace(plan, crew=replace(plan.crew, workers=2))
            yield from _compared(f"{load.model}, two workers, load 0.7 of twice the capacity", two, seen)


def _capacity(ground: Bed, load: Workload) -> float:
    """Return the jobs a second at which the worker drains a bulk; the first job loads the model."""
    for count in (1, BULK_BATCHES * MAX_BATCH):
        since_s = time.time()
        jobs = [{"model": load.reference, "input": load.inputs[n % len(load.inputs)]} for n in range(count)]
        answer = ground.http.post("/api/v1/jobs/bulk", json=jobs).raise_for_status().json()
        assert answer["rejected"] == 0, answer["jobs"][:2]
        ground.until(LIVE, 0)
    row = ground.database.execute(RATE, [since_s]).fetchone()
    assert row is not None
    return float(row[0])


def _wait_for_two(ground: Bed, load: Workload) -> None:
    """Send bulks until two workers have run batches of them: the second one starts meanwhile."""
    since_s = time.time()
    wait_until(lambda: _drained_by(ground, load, since_s) == 2, limit_s=120.0, what="a second worker")


def _drained_by(ground: Bed, load: Workload, since_s: float) -> int:
    jobs = [{"model": load.reference, "input": load.inputs[0]}] * (4 * MAX_BATCH)
    ground.http.post("/api/v1/jobs/bulk", json=jobs).raise_for_status()
    ground.until(LIVE, 0)
    row = ground.database.execute(WORKERS, [since_s]).fetchone()
    assert row is not None
    return int(row[0])


def _calibrated(ground: Bed, load: Workload, inputs: Path, per_s: float) -> tuple[SimulationPlan, SeenRun]:
    """Run at this rate, and return the plan that is learned from that alone, and the run."""
    since_s = time.time()
    psutil.cpu_percent()
    seen = _run(ground, load, inputs, per_s)
    busy = psutil.cpu_percent() / 100.0
    plan = learned(ground.stack, load.model, load.version, window_s=time.time() - since_s)
    return replace(plan, crew=replace(plan.crew, busy=busy)), seen


def _run(ground: Bed, load: Workload, inputs: Path, per_s: float, *, profile: str = "poisson") -> SeenRun:
    """Offer jobs in an open loop and wait for their ends."""
    info, since_s = ground.stack.info, time.time()
    words = ["loadtest", load.reference, "--rate", f"{per_s:.3f}", "--profile", profile, "--wait", "none"]
    words += ["--duration", f"{SECONDS:g}s", "--input", str(inputs), "--seed", str(int(per_s))]
    words += ["--mode", f"bulk:{load.bulk}" if load.bulk else "single"]
    words += ["--url", info["api"], "--token", info["token"], "--follow", "120s"]
    with stored_moments(ground.stack) as stored:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            env=stack_env(ground.stack), cwd=PROJECT, check=False, capture_output=True,
        )  # fmt: skip  # a client that was late makes no figure here wrong: the arrivals are those that came
        assert done.returncode in {GOOD, INVALID}, done.stderr[-2_000:]
        ground.until(LIVE, 0)
        time.sleep(0.5)  # the last notification may still be on its way; a job without one is left out
    rows = ground.database.execute(JOBS, [load.padded, since_s]).fetchall()
    ended = [row for row in rows if row[5] in stored]
    assert len(ended) > 0.9 * len(rows) > 0, (len(ended), len(rows))
    return SeenRun([Arrival(*row[:5]) for row in ended], [stored[row[5]] - row[0] for row in ended])


def _compared(what: str, plan: SimulationPlan, seen: SeenRun) -> Iterator[Figure]:
    foretold = [
        fmean(values) for values in zip(*(_foretold(plan, seen, seed) for seed in SEEDS), strict=True)
    ]
    for name, scale, unit, said, was in zip(
        ("p50", "p95", "throughput"),
        (1e3, 1e3, 1.0),
        ("ms", "ms", "jobs/s"),
        foretold,
        seen.figures,
        strict=True,
    ):
        off = at_most("", abs(said / was - 1.0), WITHIN)
        words = f"{said * scale:.1f} beside {was * scale:.1f} {unit}: {said / was - 1.0:+.1%}"
        yield replace(off, what=f"{what}: {name}, foretold beside seen", value=words, goal=f"±{WITHIN:.0%}")


def _foretold(plan: SimulationPlan, seen: SeenRun, seed: int) -> Sequence[float]:
    report = simulate(plan, seen.arrivals, random.Random(seed).random)
    return report.latency_s(0.5), report.latency_s(0.95), report.throughput_per_s


def _words(plan: SimulationPlan) -> str:
    (model,) = plan.models.values()
    steps = {"run": model.run, "claim": plan.overheads.claim, "settle": plan.overheads.settle}
    times = [
        f"{name} {t.base_s * 1e3:.1f} ms + {t.per_unit_s * 1e6:.1f} us a unit" for name, t in steps.items()
    ]
    return f"{'; '.join(times)}; delivery {plan.overheads.deliver_s * 1e3:.1f} ms; {_busy(plan.crew)}"


def _busy(crew: Crew) -> str:
    return f"processors {crew.busy:.0%} busy"
