"""What a rule costs a submit: the decision alone, and the CPU of a job in this process and in Postgres.

Rounds of an alias without a rule and of one with a rule take turns, so that what else the machine does meets
both alike. `python -m tests.benchmarks.routed` prints the microseconds a job of each round as JSON; without
`--ruled` of the alias without a rule alone, so that two checkouts can be compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from statistics import median
from typing import Any

import psutil

from inference_site.stack.services import PROJECT
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.support.services import TestServices

ROUNDS, BULK, SINGLE = 15, 1_000, 150
DECISIONS = 20_000
Rounds = dict[str, list[float]]


def measure() -> Iterator[Figure]:
    words = [sys.executable, "-m", "tests.benchmarks.routed", "--ruled"]
    output = subprocess.run(words, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    spent: Rounds = json.loads(output.splitlines()[-1])
    yield at_most("decide, by a share", median(spent["decide"]), 20, "us")
    yield at_most("decide, past 3 cohorts", median(spent["cohorts"]), 20, "us")
    yield Figure("the key of an input, and deciding", f"{median(spent['ask']):.1f} us")
    for road in ("bulk", "single"):
        plain, ruled = median(spent[f"{road} plain"]), median(spent[f"{road} ruled"])
        yield Figure(f"{road}: CPU of a job, plain and by a rule", f"{plain:.0f} and {ruled:.0f} us")
        ratios = [
            one / other for one, other in zip(spent[f"{road} plain"], spent[f"{road} ruled"], strict=True)
        ]
        yield at_least(f"{road}: throughput by a rule of plain", median(ratios), 0.97)


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
        from tests.support.rules import rule, two_versions

        two_versions("ruled")
        rule("ruled", share=0.05, baseline=True)
        models.append("ruled")
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
    document = msgspec.structs.replace(rule.document, cohorts=(Cohort(when, "candidate"),) * 3)
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
