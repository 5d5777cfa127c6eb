"""The live page under 300 jobs a second in headless Chromium, and what twenty watchers cost a drain.

DASHBOARD_SECONDS says for how long the page is looked at, DASHBOARD_PER_S under which load, DASHBOARD_PAIRS
how many drains there are with watchers and without, and DASHBOARD_PICTURES names a folder for pictures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec

from inference_site.stack.services import PROJECT
from jobs.core.loadtest.load_report import LoadReport
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.headless import HeadlessPage, chromium, headless
from tests.support.app import stack_env

SECONDS = int(os.environ.get("DASHBOARD_SECONDS", "30"))
PAIRS = int(os.environ.get("DASHBOARD_PAIRS", "5"))
PER_S = int(os.environ.get("DASHBOARD_PER_S", "300"))
WATCHERS, DRAINED, FOLLOW = 20, 6_000, "30s"
PAGE = "/admin/operations/"
WIDTHS = {"wide": (1280, 900), "narrow": (390, 844)}
# The moment of each reading that the page shows, noted without a look at the page's own code.
COUNT = """
window.shown = []; new MutationObserver(() => shown.push(performance.now())).observe(
  document.getElementById("state"), {childList: true, characterData: true, subtree: true})
"""
PER_SECOND = "1e3 * (shown.length - 1) / (shown.at(-1) - shown[0])"
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 1e9"
WIDER = "document.documentElement.scrollWidth - innerWidth"
SESSION = """
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
user = User.objects.create_user("watcher", is_staff=True, is_superuser=True)
session = import_module(settings.SESSION_ENGINE).SessionStore()
session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session.save()
print(session.session_key)
"""
SPAN = (
    "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM jobs_job WHERE id > '{last}'"
)
LAST = "SELECT id FROM jobs_job ORDER BY id DESC LIMIT 1"
NOBODY = "00000000-0000-0000-0000-000000000000"
STORED = """
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at)::float8
  - ('x' || replace(left(id::text, 13), '-', ''))::bit(48)::bigint / 1000.0)::float8
FROM jobs_job WHERE queue = 'echo' AND state = 'succeeded'
  AND finished_at > to_timestamp({begin}) AND finished_at <= to_timestamp({end})
"""


def measure() -> Iterator[Figure]:
    with bed("dashboard", ("web", "stream", "relay")) as ground, ground.worker("echo,sleeper"):
        session = ground.manage("shell", "-v", "0", "-c", SESSION).splitlines()[-1]
        yield from _under_load(ground, session)
        yield from _watched(ground, session)


def _under_load(ground: Bed, session: str) -> Iterator[Figure]:
    program = chromium()
    if program is None:
        yield Figure("the page in a browser", "not measured: there is no Chromium on the PATH")
        return
    with TemporaryDirectory() as folder, headless(program) as page:
        with _loading(ground, folder):
            time.sleep(SECONDS / 2)  # what the page says is of the last minute
            yield from _seen(page, ground.stack.info["api"] + PAGE, session)
            reading = _reading(ground, session)
        report = msgspec.json.decode((Path(folder) / "report.json").read_bytes(), type=LoadReport)
    yield Figure("   the load test", f"{report.verdict}: {report.rates.sent:.0f}/s sent")
    page_s = next(model["total"]["p95_s"] or 0 for model in reading["models"] if model["model"] == "echo")
    end = reading["newest"]["at"] + 1  # the last second on record
    span = {"begin": end - reading["window_s"], "end": end}
    yield from _compared("the rows of the same time", page_s, ground.one(STORED.format(**span)), 5)
    # A sender that was late itself measured the machine, not the platform.
    goal = None if report.verdict == "invalid" else 10
    yield from _compared("the load test", page_s, (report.latency_ms.p95 or 0.0) / 1e3, goal)


def _compared(what: str, page_s: float, other_s: float, goal: float | None) -> Iterator[Figure]:
    yield Figure(f"   p95 on the page, and of {what}", f"{page_s * 1e3:.0f} and {other_s * 1e3:.0f} ms")
    percent = 100 * abs(page_s - other_s) / max(other_s, 1e-6)
    if goal is not None:
        yield at_most("   the difference", percent, goal, "%")


@contextmanager
def _loading(ground: Bed, folder: str) -> Iterator[None]:
    """Run a load test for as long as the page is looked at, and then to its end."""
    target = ["--url", ground.stack.info["api"], "--token", ground.stack.info["token"], "--out", folder]
    words = [
        "echo",
        "--follow",
        FOLLOW,
        "--rate",
        str(PER_S),
        "--duration",
        f"{SECONDS * 2}s",
        "--wait",
        "longpoll",
    ]
    with subprocess.Popen(
        [sys.executable, "manage.py", "loadtest", *words, *target],
        env=stack_env(ground.stack), cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        yield
        process.wait(SECONDS * 2 + 240)


def _seen(page: HeadlessPage, url: str, session: str) -> Iterator[Figure]:
    for name, (width, height) in WIDTHS.items():
        page.look(width=width, height=height, dark=name == "narrow")
        page.open(url, sessionid=session)
        page.watch(3)
        page.value(COUNT)
        page.watch(SECONDS / 3)
        yield at_most(f"{name}, under {PER_S} jobs/s: first paint", page.value(PAINT) / 1e3, 2, "s")
        yield at_least("   updates a second", page.value(PER_SECOND), 0.9)
        gaps = page.value("Math.max(...shown.slice(1).map((at, place) => at - shown[place]))")
        yield Figure("   longest time between two", f"{gaps / 1e3:.2f} s")
        yield at_most("   wider than the window", page.value(WIDER), 0, "px")
        if folder := os.environ.get("DASHBOARD_PICTURES"):
            page.shoot(Path(folder) / f"load-{name}.png")
    yield at_most("errors on the console", len(page.errors), 0)
    for error in page.errors:
        yield Figure("   error", error)


def _reading(ground: Bed, session: str) -> dict[str, Any]:
    url = ground.stack.info["api"] + PAGE + "reading"
    answer = httpx.get(url, cookies={"sessionid": session}, timeout=120, trust_env=False).raise_for_status()
    reading: dict[str, Any] = answer.json()
    return reading


def _watched(ground: Bed, session: str) -> Iterator[Figure]:
    yield from _cost(ground, session)
    _drain(ground)  # the first one also loads the model
    ratios = []
    for pair in range(PAIRS):
        order = (True, False) if pair % 2 else (False, True)
        per_s = {watched: _drained(ground, session, watched=watched) for watched in order}
        ratios.append(per_s[True] / per_s[False])
    loss = sorted(100 * (1 - ratio) for ratio in ratios)
    yield at_most(f"{WATCHERS} watchers: what a drain loses, median of {PAIRS} pairs", median(loss), 2, "%")
    yield Figure("   from least to most", f"{loss[0]:.1f} to {loss[-1]:.1f} %")


def _cost(ground: Bed, session: str) -> Iterator[Figure]:
    """Compare the CPU of all processes without and with watchers: other programs hardly disturb it."""
    alone = _busy(ground)
    with _watching(ground, session):
        seen = _busy(ground)
    cores = os.cpu_count() or 1
    what = f"{WATCHERS} watchers: CPU of the platform, of {cores} cores"
    yield at_most(what, 100 * (seen - alone) / cores, 2, "%")
    yield Figure("   in cores, without and with them", f"{alone:.3f} and {seen:.3f}")


def _busy(ground: Bed) -> float:
    """Return how many cores the platform keeps busy with nothing to do."""
    began, before = time.monotonic(), ground.cpu_s()
    time.sleep(SECONDS / 2)
    return (ground.cpu_s() - before) / (time.monotonic() - began)


def _drained(ground: Bed, session: str, *, watched: bool) -> float:
    """Return how many jobs a second were drained."""
    if not watched:
        return _drain(ground)
    with _watching(ground, session):
        return _drain(ground)


@contextmanager
def _watching(ground: Bed, session: str) -> Iterator[None]:
    """Have watchers of the live page for the block."""
    url = ground.stack.info["api"] + PAGE + "readings"
    words = [sys.executable, "-m", "tests.benchmarks.page_watchers", url, session, str(WATCHERS)]
    with subprocess.Popen(
        words, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
        readings, _ = process.communicate("")
        assert int(readings) >= WATCHERS, readings


def _drain(ground: Bed) -> float:
    last = ground.one(LAST) or NOBODY
    ground.bulk("sleeper", DRAINED, {})
    ground.until("SELECT count(*) FROM jobs_job WHERE state IN ('queued', 'waiting', 'running')", 0)
    return DRAINED / float(ground.one(SPAN.format(last=last)))
