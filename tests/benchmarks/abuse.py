"""A tenant who abuses everything at once, beside one who works: does the other one notice?

The victim posts at a steady rate and waits for each answer, first alone, then for ABUSE_MINUTES (20) beside
the attacker, whose process has a lower priority, because it would run on another machine. Every byte that the
attacker is sent is searched for the victim's data.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec

from inference_site.stack.services import PROJECT
from jobs.management.demo.figures import percentile
from tests.benchmarks.attacker import MARK, Order
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_most
from tests.support.receiver import receiving

MODEL = "sleeper"
PER_S, ALONE_S, WARM_S = 5, 60, 5
MINUTES = float(os.environ.get("ABUSE_MINUTES", "20"))
ENV = {"WEBHOOK_INTERNAL_HOSTS": "127.0.0.1", "MAX_BODY_BYTES": "1000000"}
LOST = "SELECT count(*) FROM jobs_worker WHERE ended_at IS NOT NULL"
UNENDED = """
SELECT count(*) FROM jobs_job job JOIN jobs_client client ON client.id = job.client_id
WHERE client.name = 'victim' AND job.state <> 'succeeded'
"""


def measure() -> Iterator[Figure]:
    with bed("abuse", (), env=ENV) as ground, receiving() as silent:
        silent.hangs = True
        token = ground.manage("create_token", "victim").splitlines()[0]
        with _client(ground, token) as victim:
            own = victim.post("/api/v1/jobs", json=_job()).raise_for_status().json()["id"]
            alone, _ = _offered(victim, ALONE_S)
            pids = dict(ground.stack.info["pids"])
            with _attacked(ground, own, silent.url) as attacker:
                beside, failed = _offered(victim, 60 * MINUTES)
            told = attacker.communicate()[0]
        ground.until(UNENDED, 0)
        yield from _figures(alone, beside, failed)
        changed = [name for name, pid in ground.stack.info["pids"].items() if pids.get(name) != pid]
        yield at_most("processes that ended", len(changed), 0)
        yield at_most("workers lost", ground.one(LOST), 0)
    for name, (calls, statuses) in msgspec.json.decode(told)["attacks"].items():
        yield Figure(f"attack: {name}", f"{calls:,} calls; {statuses}")
    yield at_most("answers to the attacker that hold the victim's data", msgspec.json.decode(told)["seen"], 0)


def _figures(alone: list[float], beside: list[float], failed: int) -> Iterator[Figure]:
    for name, waits_s in (("alone", alone), ("beside the attacker", beside)):
        shares = (f"p{share * 100:.0f} {percentile(waits_s, share) * 1e3:.0f}" for share in (0.5, 0.95, 0.99))
        yield Figure(f"request to answer, {name}", ", ".join(shares) + f" ms of {len(waits_s):,}")
    ratio = percentile(beside, 0.99) / percentile(alone, 0.99)
    yield at_most("p99, beside over alone", ratio, 2)
    yield at_most("the victim's calls that failed", failed, 0)


def _job() -> dict[str, Any]:
    return {"model": MODEL, "input": {"text": MARK}, "metadata": {"of": MARK}}


def _offered(victim: httpx.Client, seconds: float) -> tuple[list[float], int]:
    """Post at the victim's rate; return the seconds from each due time to the answer, and failures."""
    waits_s, failures = list[float](), list[str]()
    start = time.monotonic() + 0.5

    def call(due: float) -> None:
        try:
            answer = victim.post("/api/v1/jobs", json=_job(), headers={"Prefer": "wait=30"})
            done = answer.status_code == 200 and answer.json()["state"] == "succeeded"
        except httpx.HTTPError as error:
            done, answer = False, error  # type: ignore[assignment]  # shown only
        if not done:
            failures.append(repr(answer))
        elif due - start > WARM_S:
            waits_s.append(time.monotonic() - due)

    with ThreadPoolExecutor(64) as callers:
        for number in range(int(seconds * PER_S)):
            due = start + number / PER_S
            time.sleep(max(due - time.monotonic(), 0.0))
            callers.submit(call, due)
    if failures:
        print("failed:", failures[:5], file=sys.stderr)
    return waits_s, len(failures)


@contextmanager
def _attacked(ground: Bed, own: str, silent: str) -> Iterator[subprocess.Popen[bytes]]:
    """Let the attacker's process run beside the block, with what a tenant knows, and a victim's job id."""
    info, tenants = ground.stack.info, ("attacker", "slow")
    tokens = [ground.manage("create_token", tenant).splitlines()[0] for tenant in tenants]
    ground.manage("webhook_secret", "attacker")
    order = Order(info["api"], info["stream"], tokens[0], tokens[1], own, silent)
    words = ["nice", "-n", "10", sys.executable, "-m", "tests.benchmarks.attacker"]
    process = subprocess.Popen(
        [*words, msgspec.json.encode(order).decode()],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None


def _client(ground: Bed, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=64)
    return httpx.Client(
        base_url=ground.stack.info["api"], headers=headers, timeout=60, trust_env=False, limits=limits
    )
