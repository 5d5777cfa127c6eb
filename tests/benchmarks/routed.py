"""What a rule costs a submit: the decision, a job inside the services, with a shadow too, and over HTTP.

Rounds of an alias without a rule and of one with a rule take turns, so that what else the machine does meets
both alike. CPU is that of the server and of Postgres. `python -m tests.benchmarks.routed` prints the
microseconds a job of each round inside the services as JSON; without `--ruled` of the alias without a rule
alone, so that two checkouts can be compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import product
from statistics import median
from typing import Any, NamedTuple

import psutil

from inference_site.stack.services import PROJECT
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.post import flood
from tests.benchmarks.processes import POSTGRES, snapshot
from tests.support.app import register
from tests.support.services import TestServices

ROUNDS, BULK, SINGLE = 15, 1_000, 150
DECISIONS = 20_000
CALLS, FLOODS, CALL_JOBS = 12, 4, 5_000
GOAL = 0.97  # of the throughput of an alias without a rule
STORED = "SELECT count(*) FROM jobs_outbox"
RULE = {"stable": "1", "candidate": "2", "share": 0.05, "baseline": True}
SHADOW = {"stable": "1", "shadow": {"version": "2"}}
KINDS = {"ruled": "by a rule", "shadowed": "with a full shadow"}
Rounds = dict[str, list[float]]


class Cost(NamedTuple):
    """A job over HTTP: CPU of the web process and of Postgres in microseconds, and jobs a second."""

    web_us: float
    postgres_us: float
    per_s: float

    @property
    def us(self) -> float:
        return self.web_us + self.postgres_us


def measure() -> Iterator[Figure]:
    words = [sys.executable, "-m", "tests.benchmarks.routed", "--ruled"]
    output = subprocess.run(words, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    spent: Rounds = json.loads(output.splitlines()[-1])
    yield at_most("decide, by a share", median(spent["decide"]), 20, "us")
    yield at_most("decide, past 3 cohorts", median(spent["cohorts"]), 20, "us")
    yield Figure("the key of an input, and deciding", f"{median(spent['ask']):.1f} us")
    for road, (model, how) in product(("bulk", "single"), KINDS.items()):
        plain, ruled = median(spent[f"{road} plain"]), median(spent[f"{road} {model}"])
        yield Figure(f"{road}: CPU of a job, plain and {how}", f"{plain:.0f} and {ruled:.0f} us")
        pairs = zip(spent[f"{road} plain"], spent[f"{road} {model}"], strict=True)
        yield at_least(
            f"{road}: throughput {how} of plain", median(one / other for one, other in pairs), GOAL
        )
    yield from _over_http()


def _over_http() -> Iterator[Figure]:
    with bed("routed", ("web",)) as ground:
        for model in ("plain", "ruled"):
            register(ground.stack, model, "1", "echo", "--alias", "default")
        register(ground.stack, "ruled", "2", "echo")
        ground.manage("rules", "put", "ruled", json.dumps(RULE), "--reason", "a benchmark")
        yield from _compared("bulk calls", _in_turn(ground, _bulk_calls, CALLS))
        yield from _compared("single POSTs", _in_turn(ground, lambda at, of, _: flood(at, of)[0], FLOODS))


def _in_turn(ground: Bed, work: Callable[[Bed, str, int], float], rounds: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {"plain": [], "ruled": []}
    for number in range(rounds + 1):
        for model in costs if number % 2 else reversed(costs):
            stored, before = ground.one(STORED), snapshot(ground)
            per_s = work(ground, model, number)
            spent, jobs = before.until(snapshot(ground)).by_process, ground.one(STORED) - stored
            cost = Cost(spent["web"] / jobs * 1e6, spent[POSTGRES] / jobs * 1e6, per_s)
            if number:  # the first makes connections, caches and plans
                costs[model].append(cost)
    return costs


def _compared(what: str, costs: dict[str, list[Cost]]) -> Iterator[Figure]:
    for model, each in costs.items():
        web_us, postgres_us = median(cost.web_us for cost in each), median(cost.postgres_us for cost in each)
        yield Figure(f"{what}, {model}: CPU of a job", f"{web_us:.0f} web and {postgres_us:.0f} us Postgres")
    pairs = list(zip(costs["plain"], costs["ruled"], strict=True))
    yield at_least(
        f"{what}: CPU, plain of by a rule", median(one.us / other.us for one, other in pairs), GOAL
    )
    ratio = median(other.per_s / one.per_s for one, other in pairs)
    yield at_least(f"{what}: jobs/s by a rule of plain", ratio, GOAL)


def _bulk_calls(ground: Bed, model: str, number: int) -> float:
    """Return the jobs a second of one bulk call."""
    inputs = ({"text": f"sentence {number} {index}"} for index in range(CALL_JOBS))
    lines = b"\n".join(json.dumps({"model": model, "input": text}).encode() for text in inputs)
    began = time.perf_counter()
    kind = {"Content-Type": "application/x-ndjson"}
    answer = ground.http.post("/api/v1/jobs/bulk", content=lines, headers=kind).raise_for_status().json()
    assert answer["accepted"] == CALL_JOBS, answer["jobs"][:2]
    return CALL_JOBS / (time.perf_counter() - began)


def main(*, ruled: bool) -> None:
    servers = TestServices()
    servers.start()
    try:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        print(json.dumps(_measured(ruled=ruled)))
    finally:
        servers.stop()


def _measured(*, ruled: bool) -> Rounds:
    from tests.support.factories import make_version

    make_version("plain", "1")
    models = ["plain"]
    spent: Rounds = {}
    if ruled:
        from models_registry.services.rules import put_rule
        from tests.support.rules import rule, two_versions

        two_versions("ruled")
        rule("ruled", share=0.05, baseline=True)
        two_versions("shadowed")
        put_rule(model="shadowed", alias="default", document=SHADOW, actor="olga")
        models += ["ruled", "shadowed"]
        spent |= _decisions()
    for number in range(ROUNDS + 1):
        for model in models if number % 2 else reversed(models):
            for road, submit in (("bulk", _bulk), ("single", _single)):
                us = _us_a_job(submit, model, number)
                if number:  # the first makes connections, caches and plans
                    spent.setdefault(f"{road} {model}", []).append(us)
    return spent


def _us_a_job(submit: Callable[[str, int], int], model: str, number: int) -> float:
    """Return the CPU of a job, of this process and of its server process."""
    from django.db import connection

    connection.ensure_connection()
    backend = psutil.Process(connection.connection.info.backend_pid)

    def cpu_s() -> float:
        times = backend.cpu_times()
        return time.process_time() + times.user + times.system

    began = cpu_s()
    jobs = submit(model, number)
    return (cpu_s() - began) / jobs * 1e6


def _requests(model: str, number: int, count: int) -> list[Any]:
    from jobs.core.submission.request import JobRequest

    return [JobRequest(model=model, input={"text": f"sentence {number} {index}"}) for index in range(count)]


def _bulk(model: str, number: int) -> int:
    from jobs.services.submission.submit import submit_jobs
    from tests.support.submit import owner

    for _ in range(5):
        submit_jobs(owner=owner(), requests=_requests(model, number, BULK))
    return 5 * BULK


def _single(model: str, number: int) -> int:
    from jobs.services.submission.submit import submit_job
    from tests.support.submit import owner

    of = owner()
    for request in _requests(model, number, SINGLE):
        submit_job(owner=of, request=request)
    return SINGLE


def _decisions() -> Rounds:
    from jobs.services.rollouts.asks import AskedJob, Asker, ask_of, sticky_digest
    from models_registry import selectors
    from models_registry.core.routing.decision import Ask, CompiledRule, decide
    from models_registry.core.routing.rule_document import Cohort

    rule: Any = selectors.routed("ruled")
    import msgspec

    when = {"properties": {"metadata": {"required": ["team"], "properties": {"team": {"enum": ["a", "b"]}}}}}
    document = msgspec.structs.replace(rule.document, cohorts=(Cohort(when=when, arm="candidate"),) * 3)
    picky = CompiledRule(1, 1, None, document, rule.stable, rule.candidate)
    asks = [Ask(sha256(b"%d" % n).digest()[:8], "app", 4, {"user": n}, {}) for n in range(DECISIONS)]
    asked = [
        AskedJob(Asker(1, "app"), 4, {"user": n}, None, sha256(b"%d" % n).digest(), None, b"")
        for n in range(DECISIONS)
    ]
    keyed = sticky_digest()
    return {
        "decide": _each(lambda n: decide(rule, asks[n])),
        "cohorts": _each(lambda n: decide(picky, asks[n])),
        "ask": _each(lambda n: decide(rule, ask_of(rule, asked[n], keyed))),
    }


def _each(work: Callable[[int], object]) -> list[float]:
    spent = []
    for _ in range(5):
        began = time.process_time()
        for number in range(DECISIONS):
            work(number)
        spent.append((time.process_time() - began) / DECISIONS * 1e6)
    return spent


if __name__ == "__main__":
    main(ruled="--ruled" in sys.argv)
