"""Relays as processes: one is killed, and the other feeds its queues and sweeps in its place."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.request import urlopen
from uuid import UUID

import pytest

from inference_site.stack.leash import death_words
from inference_site.stack.ports import LOOPBACK, free_port
from inference_site.stack.services import PROJECT
from jobs.db import leases
from jobs.db.session import open_session
from jobs.models import Lease, LeaseHolder
from tests.support.factories import make_job, make_version
from tests.support.relays import new_model, ready
from tests.support.wait import wait_until

START_S = 60.0
TAKEN_OVER_S = 10.0


class RelayProcess:
    """One `manage.py relay` and its metrics."""

    def __init__(self) -> None:
        self.port = free_port()
        words = [*death_words(signal.SIGKILL), sys.executable, "manage.py", "relay"]
        env = os.environ | {"METRICS_PORT": str(self.port)}
        self.process = subprocess.Popen(words, env=env, cwd=PROJECT)

    def metric(self, name: str) -> float:
        """Return the metric's value; 0.0 before it is there."""
        try:
            with urlopen(f"http://{LOOPBACK}:{self.port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return 0.0
        return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))

    @property
    def feeds(self) -> bool:
        return self.metric("inference_relay_queues_owned") == 1

    @property
    def swept_at(self) -> float:
        return self.metric("inference_sweep_last_timestamp_seconds")


@contextmanager
def a_relay() -> Iterator[RelayProcess]:
    relay = RelayProcess()
    try:
        yield relay
    finally:
        relay.process.kill()
        relay.process.wait()


@pytest.fixture
def relays(model: str) -> Iterator[list[RelayProcess]]:
    with ExitStack() as stack:
        yield [stack.enter_context(a_relay()) for _ in range(2)]


@pytest.fixture
def model(db: str) -> str:
    model = new_model()
    make_version(model)
    return model


def test_when_a_relay_is_killed_the_other_feeds_its_queue_and_sweeps(
    relays: list[RelayProcess], model: str, broker_url: str
) -> None:
    with open_session() as session:
        wait_until(lambda: leases.peers(session, leases.RELAY) == 2, limit_s=START_S)
    wait_until(lambda: any(relay.feeds for relay in relays), limit_s=START_S)
    wait_until(lambda: any(relay.swept_at for relay in relays), limit_s=START_S)
    (killed,) = (relay for relay in relays if relay.feeds)
    (stays,) = (relay for relay in relays if relay is not killed)
    make_job(model=model)
    wait_until(lambda: ready(broker_url, model) == 1)
    killed.process.kill()
    since = time.time()
    make_job(model=model)
    wait_until(lambda: ready(broker_url, model) == 2, limit_s=START_S)
    assert stays.feeds
    wait_until(lambda: stays.swept_at > since, limit_s=START_S)


def test_when_a_relay_is_stopped_the_other_takes_over_and_the_first_changes_nothing_when_it_wakes(
    relays: list[RelayProcess], model: str, broker_url: str
) -> None:
    wait_until(lambda: any(relay.feeds for relay in relays), limit_s=START_S)
    wait_until(lambda: any(relay.swept_at for relay in relays), limit_s=START_S)
    (stopped,) = (relay for relay in relays if relay.feeds)
    (stays,) = (relay for relay in relays if relay is not stopped)
    holders = leases_by_name()
    os.kill(stopped.process.pid, signal.SIGSTOP)
    since = time.monotonic()
    make_job(model=model)
    wait_until(lambda: ready(broker_url, model) == 1, limit_s=TAKEN_OVER_S)
    wait_until(lambda: leases_by_name().keys() == holders.keys() and not_of(stopped), limit_s=TAKEN_OVER_S)
    assert time.monotonic() - since < TAKEN_OVER_S
    after = leases_by_name()
    os.kill(stopped.process.pid, signal.SIGCONT)
    make_job(model=model)
    wait_until(lambda: ready(broker_url, model) == 2)
    wait_until(lambda: stopped.metric("inference_relay_queues_owned") == 0)
    assert stays.feeds
    assert leases_by_name() == after, "the one that woke took nothing back"


def leases_by_name() -> dict[str, UUID]:
    return dict(Lease.objects.values_list("name", "holder"))


def not_of(relay: RelayProcess) -> bool:
    """Return whether all leases are of others than this process."""
    holders = LeaseHolder.objects.in_bulk(list(leases_by_name().values()))
    ends = f":{relay.process.pid}"
    return len(holders) > 0 and not any(holder.label.endswith(ends) for holder in holders.values())
