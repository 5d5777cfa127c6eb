"""Autoscalers of several hosts read the same rows, and together have what is needed and no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Event

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.admission.shedding import expect
from jobs.db.session import open_session
from jobs.models import Autoscaler, QueueStanding, WorkPause
from jobs.services.admission.queues import queues
from jobs.services.admission.surveyor import QueueSurveyor
from jobs.services.scaling.autoscaler_rows import (
    HostState,
    LiveWorker,
    ScaledGroup,
    ScaleLook,
    enter,
    leave,
    look,
)
from tests.support.factories import make_job, make_version, make_worker


class Host:
    """An autoscaler without processes: its workers are as many as it last decided to have."""

    def __init__(self, session: sa.Connection, name: str, *models: str, places: int = 4) -> None:
        nodes = tuple(f"gpu-{index}@{name}" for index in range(places))
        self.group = ScaledGroup(name, 7, models or ("echo",), nodes, lowest=0, highest=places)
        self.session, self.places, self.running = session, places, 0
        self.state = HostState(0, 0)
        self.seen: Sequence[LiveWorker] = ()
        enter(session, self.group, running=0)

    def look(self) -> ScaleLook:
        seen = look(self.session, self.group, self._state)
        self.running = seen.target
        return seen

    def _state(self, workers: Sequence[LiveWorker]) -> HostState:
        self.seen = workers
        return replace(self.state, usable=self.places, running=self.running)


@contextmanager
def two_hosts(*models: str, places: int = 4) -> Iterator[tuple[Host, Host]]:
    with open_session() as first, open_session() as second:
        yield Host(first, "a", *models, places=places), Host(second, "b", *models, places=places)


def need(load: float | None, model: str = "echo", *, age_s: float = 0.0) -> None:
    QueueStanding.objects.update_or_create(
        model=model,
        defaults={
            "waiting": [0] * 10, "head_age_s": [0.0] * 10, "workers_load": load,
            "counted_at": timezone.now() - timedelta(seconds=age_s),
        },
    )  # fmt: skip


def test_two_hosts_share_what_is_needed(db: str) -> None:
    with two_hosts() as (a, b):
        need(2.3)
        assert (a.look().target, b.look().target) == (2, 1)
        need(6.0)
        assert (b.look().target, a.look().target) == (3, 3)
        need(0.0)
        assert (a.look().target, b.look().target) == (0, 0)


def test_what_a_slow_lane_needs_is_added(db: str) -> None:
    with two_hosts() as (a, b):
        need(1.2)
        need(1.5, "echo.slow")
        assert a.look().needed == b.look().needed == 3
        QueueStanding.objects.filter(model="echo").delete()
        assert a.look().needed is None, "without the model's own count nothing is known"


def test_one_job_starts_one_worker_though_both_look(db: str) -> None:
    with two_hosts() as (a, b):
        need(0.01)
        assert sorted([b.look().target, a.look().target, b.look().target][1:]) == [0, 1]


def test_a_host_without_a_heartbeat_or_that_has_left_leaves_its_share_to_the_other(db: str) -> None:
    with two_hosts() as (a, b):
        need(4.0)
        assert (a.look().target, b.look().target) == (2, 2)
        Autoscaler.objects.filter(host="a").update(heartbeat_at=timezone.now() - timedelta(minutes=1))
        assert b.look().target == 4
        assert a.look().target == 2, "it is back, and has them still"
        assert b.look().target == 2
        leave(a.session, a.group)
        assert b.look().target == 4


def test_a_host_that_can_start_none_leaves_its_share_to_the_other(db: str) -> None:
    with two_hosts() as (a, b):
        need(2.0)
        a.places = 0
        assert (a.look().target, b.look().target) == (0, 2)


@pytest.mark.parametrize("age_s", [11.0, None])
def test_without_a_recent_survey_what_runs_goes_on_and_nothing_starts(db: str, age_s: float | None) -> None:
    with two_hosts() as (a, _):
        need(2.0)
        assert a.look().target == 1
        need(None if age_s is None else 9.0, age_s=age_s or 0.0)
        seen = a.look()
        assert (seen.needed, seen.target) == (None, 1)


def test_a_host_keeps_its_fewest_workers_also_without_a_survey(db: str) -> None:
    with open_session() as session:
        host = Host(session, "a")
        host.group = replace(host.group, lowest=2)
        assert (host.look().needed, host.running) == (None, 2)
        host.running, host.places = 0, 1
        assert host.look().target == 1, "as many as can run"


def test_an_autoscaler_whose_row_is_gone_enters_it_again(db: str) -> None:
    with two_hosts() as (a, b):
        need(2.0)
        assert (a.look().target, b.look().target) == (1, 1)
        leave(a.session, a.group)
        assert a.look().target == 1
        assert b.look().target == 1
        Autoscaler.objects.filter(host="a").delete()
        assert (a.look().target, b.look().target) == (1, 1)


def test_the_row_says_what_was_decided_and_why_and_how_its_workers_are(db: str) -> None:
    with two_hosts() as (a, _):
        need(2.3)
        first = decided(a)
        assert (first.target_before, first.target) == (0, 2)
        assert first.decision == "The models need 3, 2 hosts share them."
        a.state = HostState(0, 0, starting=1, draining=3, deaths=2, pause_s=60.0)
        row = decided(a)
        assert (row.target_before, row.decided_at) == (0, first.decided_at), "the number has not changed"
        assert (row.serving, row.starting, row.draining, row.deaths) == (1, 1, 3, 2)
        assert row.paused_until == row.heartbeat_at + timedelta(seconds=60)
        need(9.0, age_s=11.0)
        a.state = HostState(0, 0)
        row = decided(a)
        assert row.decision.startswith("The relay has not counted lately")
        assert (row.target, row.paused_until) == (2, None)
        need(0.0)
        row = decided(a)
        assert (row.target_before, row.target, row.decided_at > first.decided_at) == (2, 0, True)


def decided(host: Host) -> Autoscaler:
    host.look()
    return Autoscaler.objects.get(host=host.group.host)


def test_models_that_share_workers_need_the_sum_of_their_parts(db: str) -> None:
    with two_hosts("minilm", "echo") as (a, b):
        need(0.3)
        assert a.look().needed is None, "minilm was not counted"
        need(0.4, "minilm")
        assert (a.look().needed, a.running, b.look().target) == (1, 1, 0)
        need(0.8, "minilm")
        assert a.look().needed == 2


def test_workers_that_no_autoscaler_started_count_and_those_of_a_place_do_not_count_twice(db: str) -> None:
    with two_hosts() as (a, b):
        make_worker("gpu-9@elsewhere")
        make_worker("gpu-8@elsewhere", model_names=["other"])
        make_worker("gpu-0@a", host="a", pid=11)
        make_worker("gpu-7@gone", heartbeat_at=timezone.now() - timedelta(minutes=1))
        need(3.0)
        assert (a.look().target, b.look().target) == (1, 1)
        here = [worker for worker in a.seen if worker.here]
        assert [(worker.node, worker.pid, worker.scaled) for worker in here] == [("gpu-0@a", 11, True)]


def test_without_a_worker_the_estimate_is_that_of_the_one_that_an_autoscaler_starts(db: str) -> None:
    make_version("echo")
    make_job(model="echo")
    with open_session() as session:
        surveyor = QueueSurveyor(stop=Event())
        surveyor.survey(session)
        assert eta_s() is None
        host = Host(session, "a")
        Autoscaler.objects.update(start_s=20.0)
        surveyor.survey(session)
        assert eta_s() == pytest.approx(21.0, abs=0.1), "it looks within a second"
        since = timezone.now() - timedelta(seconds=15)
        Autoscaler.objects.update(starting_since=since)
        surveyor.survey(session)
        assert eta_s() == pytest.approx(5.0, abs=1.0), "one has been starting for 15 s"
        Autoscaler.objects.update(starting_since=since - timedelta(seconds=65))
        surveyor.survey(session)
        assert eta_s() == pytest.approx(60.0, abs=2.0), "it has been starting for 80 s, and may hang"
        leave(session, host.group)
        surveyor.survey(session)
        assert eta_s() is None


def test_a_surveyor_that_begins_counts_a_shared_worker_once(db: str) -> None:
    for model in ("echo", "minilm"):
        make_version(model)
    for index in range(2):
        make_worker(f"gpu-{index}@a", host="a", model_names=["minilm", "echo:1"])
    with open_session() as session:
        host = Host(session, "a", "echo", "minilm")
        host.running = 2
        enter(session, host.group, running=2)
        QueueSurveyor(stop=Event()).survey(session)
        assert (host.look().needed, host.running) == (2, 2)


def test_a_paused_model_needs_no_worker_for_what_waits(db: str) -> None:
    version = make_version("echo")
    make_job(model="echo")
    WorkPause.objects.create(kind="model", target=version.model_id, name="echo", actor="me", reason="r")
    with open_session() as session:
        QueueSurveyor(stop=Event()).survey(session)
        assert QueueStanding.objects.get(model="echo").workers_wanted == 0
        WorkPause.objects.all().delete()
        QueueSurveyor(stop=Event()).survey(session)
    assert QueueStanding.objects.get(model="echo").workers_wanted == 1


def eta_s() -> float | None:
    queues.read()
    place = queues.place("echo", 4, 1)
    assert place is not None
    return expect(0, place[1]).eta_s


def test_the_first_job_needs_a_worker_at_the_next_count(db: str) -> None:
    make_version("echo")
    surveyor = QueueSurveyor(stop=Event())
    with open_session() as session:
        surveyor.survey(session)
        assert QueueStanding.objects.get(model="echo").workers_wanted == 0
        make_job(model="echo")
        surveyor.survey(session)
    row = QueueStanding.objects.get(model="echo")
    assert row.workers_wanted == 1
    assert row.workers_load == pytest.approx(0.0, abs=0.1)
