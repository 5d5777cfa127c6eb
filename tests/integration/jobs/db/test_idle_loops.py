"""Background loops that find nothing to do begin no fenced transaction: it costs four calls and a flush."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from threading import Event
from typing import NoReturn

import pytest
import sqlalchemy as sa
from django.db import connection

from jobs.core.channels import SETTLED
from jobs.db import leases
from jobs.db.channel_names import listen
from jobs.db.listen_loop import ListenLoop, heard
from jobs.db.session import open_session
from jobs.services.dead_letters.canary_runner import CanaryRunner
from jobs.services.lifecycle.sweeper import STALE_S, Rescuer
from jobs.services.reuse.follower_settler import FollowerSettler
from jobs.services.webhooks.dispatcher import WebhookDispatcher


class LaterAndLater:
    """Monotonic seconds of which a whole heartbeat's patience passes between any two looks at them."""

    def __init__(self) -> None:
        self._now_s = 1_000.0

    def __call__(self) -> float:
        self._now_s += STALE_S / 2
        return self._now_s


def refused(_session: sa.Connection) -> NoReturn:
    raise AssertionError("a transaction begins")


@pytest.mark.parametrize(
    "make",
    [
        lambda stop, clock: Rescuer(stop=stop, clock=clock),
        lambda stop, _clock: FollowerSettler(stop=stop),
        lambda stop, _clock: WebhookDispatcher(stop=stop),
    ],
    ids=["rescuer", "follower settler", "dispatcher"],
)
def test_a_loop_with_nothing_to_do_begins_no_transaction(
    session: sa.Connection,
    make: Callable[[Event, Callable[[], float]], ListenLoop],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = make(Event(), LaterAndLater())
    monkeypatch.setattr(leases, "fenced", refused)
    for _ in range(4):
        loop._look_at = 0.0
        loop.step(session, ())


def test_the_canary_runner_opens_no_connection_where_no_replay_is_open(session: sa.Connection) -> None:
    connection.close()
    CanaryRunner(stop=Event()).step(session, ())
    assert connection.connection is None


@pytest.fixture
def many_files() -> Iterator[None]:
    """Hold so many files open that those to come have numbers above 1,023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))
    held = [os.open(os.devnull, os.O_RDONLY)]
    while held[-1] < 1_023:
        held.append(os.dup(held[0]))
    yield
    for number in held:
        os.close(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_a_loop_of_a_process_with_many_files_hears_its_channel(session: sa.Connection) -> None:
    with open_session() as late:
        listen(late, SETTLED)
        assert heard(late, 0.01) == []
        notify = "SELECT pg_notify(jobs_channel('jobs_settled'), 'job:1')"
        session.exec_driver_sql(notify)
        late.exec_driver_sql("SELECT 1")  # what comes while a statement runs is heard as well
        session.exec_driver_sql(notify.replace("1'", "2'"))
        assert heard(late, 5.0) + heard(late, 0.1) == ["job:1", "job:2"]
