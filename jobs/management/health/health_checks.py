"""Whether a process of this host lately did its work: one question for each kind of process.

A process that only lives answers none of them: a relay must renew its leases and leave no queue unfed, a
worker must beat and consume, beat must have sent a task, and a server must answer a call that needs another.
"""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from types import MappingProxyType
from urllib.request import Request, urlopen

from django.conf import settings
from django.db import Error as DjangoDatabaseError

from jobs.broker.topology import CPU_NODE, gpu_node
from jobs.core.errors import PlatformError
from jobs.services.reads.working import relay_work, worker_work
from jobs.worker import process_marks

ANSWERS_S = 15.0
SEEN_LATELY_S = 60.0
# Where each server listens in compose; `--url` names another place.
URLS: Mapping[str, str] = MappingProxyType(
    {
        "web": "http://127.0.0.1:8000",
        "stream": "http://127.0.0.1:8001",
        "registrar": "http://127.0.0.1:8002",
        "flower": "http://127.0.0.1:5555",
    }
)
NAMES = "relay, worker or worker-N, autoscale, cpu, beat, flower, stream, registrar, web"


@dataclass(frozen=True)
class Health:
    """Whether a process did its work lately, and a few words on why."""

    good: bool
    why: str


def check_of(name: str, url: str = "") -> Callable[[], Health]:
    """Return the check of a process by its name; KeyError where there is no such process."""
    kind, _, number = name.partition("-")
    checks: dict[str, Callable[[], Health]] = {
        "relay": _relay,
        "worker": partial(_worker, int(number) if number.isdecimal() else 0),
        CPU_NODE: _cpu,
        "beat": _beat,
        "autoscale": _autoscale,
        "flower": partial(_flower, url or URLS["flower"]),
        **{name: partial(_site, url or URLS[name]) for name in ("stream", "registrar", "web")},
    }
    if number and (kind != "worker" or not number.isdecimal()):
        raise KeyError(name)
    return checks[kind]


def checked(check: Callable[[], Health]) -> Health:
    """Return what a check finds; a server that cannot be asked is no good health."""
    try:
        return check()
    except (PlatformError, DjangoDatabaseError, OSError, HTTPException, ValueError) as error:
        return Health(False, " ".join(str(error).split()) or type(error).__name__)


def _relay() -> Health:
    work = relay_work(socket.gethostname())
    if not work.renews:
        return Health(False, "no relay of this host renews its leases")
    if work.unfed:
        return Health(False, f"no relay feeds {', '.join(work.unfed)}")
    return Health(True, "renews its leases, and every queue is fed")


def _worker(index: int) -> Health:
    node = gpu_node(index, socket.gethostname())
    work = worker_work(node)
    if work is None:
        return Health(False, f"{node} has not started yet, or has ended")
    if not work.beats:
        return Health(False, f"{node} has no recent heartbeat")
    if not (consumes := _marked(node, process_marks.CONSUMED_LATELY_S, "consumes")).good:
        return consumes
    failed = "".join(f"; cannot load {reason}" for reason in work.failed)
    return Health(bool(work.served), f"serves {', '.join(work.served) or 'no model'}{failed}")


def _cpu() -> Health:
    node = f"{CPU_NODE}@{socket.gethostname()}"
    return _marked(node, process_marks.CONSUMED_LATELY_S, "consumes")


def _beat() -> Health:
    return _marked(process_marks.BEAT, process_marks.SENT_LATELY_S, "sends tasks")


def _autoscale() -> Health:
    return _marked(process_marks.AUTOSCALE, process_marks.SCALED_LATELY_S, "knows what is needed")


def _marked(name: str, lately_s: float, work: str) -> Health:
    age_s = process_marks.age_s(name)
    if age_s is None:
        return Health(False, f"{name} has left no mark yet that it {work}")
    return Health(age_s < lately_s, f"{name} {work}, last seen {age_s:.0f} s ago")


def _site(url: str) -> Health:
    with urlopen(f"{url}/readyz", timeout=ANSWERS_S) as answer:  # noqa: S310  # an operator's own URL
        return Health(answer.status == 200, f"answers {answer.status}")  # noqa: PLR2004


def _flower(url: str) -> Health:
    """Ask Flower for the workers whose events it reads: its page alone says only that it lives."""
    login = base64.b64encode(settings.FLOWER_BASIC_AUTH.encode()).decode()
    request = Request(f"{url}/api/workers", headers={"Authorization": f"Basic {login}"})  # noqa: S310
    with urlopen(request, timeout=ANSWERS_S) as answer:  # noqa: S310
        workers = json.load(answer)
    beats = [w.get("timestamp", 0) for w in workers.values() if isinstance(w, dict)]
    seen = sum(time.time() - at < SEEN_LATELY_S for at in beats)
    return Health(seen > 0, f"it sees {seen} workers")
