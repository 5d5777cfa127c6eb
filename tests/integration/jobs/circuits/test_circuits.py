"""Circuits on real rows: their changes, the jobs that they hold back, and fallbacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection

from jobs.core.circuits.breaker import CircuitState, Tally
from jobs.core.errors import CircuitOpenError, WrongStateError
from jobs.core.messages.envelope import Envelope
from jobs.core.submission.request import JobRequest
from jobs.db.engine import engine
from jobs.models import Circuit, Job, Outbox
from jobs.models import Event as EventRow
from jobs.services.access.owner import owner_of, token_digest
from jobs.services.access.tokens import create_token
from jobs.services.circuits import statements as circuits
from jobs.services.circuits.operate import answering, close_by_hand, open_by_hand, probe_now
from jobs.services.circuits.reads import circuit_of, forget_circuits
from jobs.services.submission.submit import submit_job, submit_jobs
from jobs.worker.circuit_monitor import CircuitMonitor, hold
from models_registry import selectors
from models_registry.core.options import BreakerOptions
from models_registry.models import ModelVersion
from tests.support.admin import browser_of
from tests.support.factories import make_jobs, make_version
from tests.support.relays import drain_jobs, new_model, ready, running
from tests.support.threads import at_once
from tests.support.wait import wait_until

OPTIONS = BreakerOptions(cool_s=20.0, cap_s=60.0, probes=2)


@pytest.fixture(autouse=True)
def fresh(db: str) -> Iterator[None]:
    selectors.forget()
    forget_circuits()
    yield
    forget_circuits()
    selectors.forget()


@pytest.fixture
def version() -> ModelVersion:
    return make_version()


def opened(version: ModelVersion, reason: str = "It broke.", options: BreakerOptions = OPTIONS) -> int:
    with engine().begin() as session:
        events = circuits.open_circuit(session, version=version.id, reason=reason, options=options)
    forget_circuits()
    return len(events)


def probed(version: ModelVersion, **tally: int) -> int:
    with engine().begin() as session:
        return len(circuits.probed(session, version=version.id, tally=Tally(**tally), options=OPTIONS))


def cool_down_over(version: ModelVersion) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_circuit SET retry_at = now() WHERE version_id = %s", (version.id,))
    with engine().begin() as session:
        assert len(circuits.begin_probing(session)) == 1
    forget_circuits()


def row(version: ModelVersion) -> Circuit:
    return Circuit.objects.get(pk=version.id)


def left_s(version: ModelVersion) -> float:
    circuit = row(version)
    assert circuit.retry_at is not None
    return (circuit.retry_at - circuit.since).total_seconds()


def test_one_of_many_workers_opens_the_circuit(version: ModelVersion) -> None:
    assert sum(at_once([lambda: opened(version)] * 4)) == 1
    assert EventRow.objects.filter(kind="circuit", actor="breaker").count() == 1
    assert (row(version).state, row(version).openings) == (CircuitState.OPEN, 1)


def test_successful_probes_close_the_circuit_and_a_failed_one_opens_it_for_longer(
    version: ModelVersion,
) -> None:
    opened(version)
    assert left_s(version) == 20.0
    assert probed(version, succeeded=9) == 0, "an open circuit is not closed by stragglers"
    cool_down_over(version)
    assert probed(version, succeeded=1, blamed=1) == 1
    assert (row(version).state, left_s(version)) == (CircuitState.OPEN, 40.0)
    cool_down_over(version)
    probed(version, blamed=1)
    assert left_s(version) == 60.0, "the cap"
    cool_down_over(version)
    assert probed(version, succeeded=1) == 0
    assert probed(version, succeeded=1) == 1
    assert (row(version).state, row(version).openings) == (CircuitState.CLOSED, 0)
    states = [e.detail["state"] for e in EventRow.objects.filter(kind="circuit").order_by("id")]
    assert states == ["open", "half_open", "open", "half_open", "open", "half_open", "closed"]


def test_a_cool_down_that_is_not_over_is_waited_for(version: ModelVersion) -> None:
    opened(version)
    with engine().begin() as session:
        assert circuits.begin_probing(session) == []


def owner() -> Any:
    return owner_of(token_digest(create_token(client="tests")))


def test_without_a_fallback_jobs_are_refused_with_a_retry_after(version: ModelVersion) -> None:
    opened(version, "Everything failed.")
    with pytest.raises(CircuitOpenError, match=r"echo:1 fails too often .* Everything failed\.") as caught:
        submit_job(owner=owner(), request=JobRequest(model="echo", input={}))
    assert 1 <= caught.value.details["retry_after_s"] <= 20
    make_version("other")
    bulk = [JobRequest(model=model, input={}) for model in ("echo", "other")]
    refused, accepted = submit_jobs(owner=owner(), requests=bulk)
    assert isinstance(refused, CircuitOpenError)
    assert not isinstance(accepted, Exception)
    assert Job.objects.count() == 1


def test_the_fallback_answers_while_its_own_circuit_is_closed() -> None:
    first = make_version("first", options={"fallback": "second@default"})
    second = make_version("second", options={"fallback": "first"})
    opened(first)
    job = submit_job(owner=owner(), request=JobRequest(model="first", input={}))
    assert (job.model, job.version) == ("second", "1")
    assert Outbox.objects.get(job_id=job.id).model == "second"
    opened(second)
    with pytest.raises(CircuitOpenError, match="first:1 and its fallbacks"):
        answering(selectors.info(first.id))


@pytest.mark.parametrize(
    "more", [{"options": {"encrypt": True, "fallback": "open"}}, {"input_schema": {"x-pii": True}}]
)
def test_a_fallback_with_less_secrecy_never_answers(more: dict[str, Any]) -> None:
    make_version("open")
    secret = make_version("kept", **({"options": {"fallback": "open"}} | more))
    opened(secret)
    with pytest.raises(CircuitOpenError, match="kept:1"):
        answering(selectors.info(secret.id))


def test_a_missing_fallback_counts_as_none(version: ModelVersion) -> None:
    lonely = make_version("lonely", options={"fallback": "nobody:7"})
    opened(lonely)
    with pytest.raises(CircuitOpenError, match="lonely:1 fails too often"):
        answering(selectors.info(lonely.id))


def test_the_relay_holds_jobs_of_an_open_circuit_and_publishes_others(broker_url: str) -> None:
    model = new_model()
    sick, well = make_version(model, "1"), make_version(model, "2")
    opened(sick)
    held = {job.id for job in make_jobs(5, model=model, version=sick, priority=9)}
    passed = {job.id for job in make_jobs(5, model=model, version=well)}
    with running(broker_url, [model]):
        wait_until(lambda: Outbox.objects.filter(published=1, job_id__in=passed).count() == 5)
        wait_until(lambda: all(due > row(sick).since for due in _due(held)))
        assert set(Outbox.objects.filter(job_id__in=held).values_list("published", flat=True)) == {0}
        close_by_hand(version=selectors.info(sick.id), actor="olga")
        wait_until(lambda: ready(broker_url, model) == 10)
    assert {job for message in drain_jobs(broker_url, model) for job in message} == held | passed


def _due(jobs: set[Any]) -> list[Any]:
    return list(Outbox.objects.filter(job_id__in=jobs).values_list("due", flat=True))


def test_the_relay_publishes_only_probes_of_a_half_open_circuit(broker_url: str) -> None:
    model = new_model()
    sick = make_version(model)
    opened(sick)
    cool_down_over(sick)
    jobs = {job.id for job in make_jobs(50, model=model, version=sick)}
    with running(broker_url, [model]):
        wait_until(lambda: Outbox.objects.filter(job_id__in=jobs, published=1).count() == OPTIONS.probes)
        wait_until(lambda: all(due > row(sick).since for due in _due(jobs)))
        probed(sick, succeeded=2)
        wait_until(lambda: Outbox.objects.filter(job_id__in=jobs, published=1).count() == 50)


def test_a_worker_holds_the_jobs_that_it_has_fetched(version: ModelVersion) -> None:
    view = CircuitMonitor(engine(), lambda _version: OPTIONS)
    assert view.hold_s(version.id) == 0.0
    opened(version)
    other = CircuitMonitor(engine(), lambda _version: OPTIONS)
    assert 0.0 < other.hold_s(version.id) <= 20.0
    (job,) = make_jobs(1, version=version, published=1)
    with engine().begin() as session:
        assert hold(session, [Envelope(job.id, 0, version.id, 4)], 7.0)
    outbox = Outbox.objects.get(job=job)
    assert outbox.published == 0
    assert outbox.due > row(version).since
    job.refresh_from_db()
    assert (job.state, job.attempts, job.epoch) == ("queued", 0, 0)


def test_an_operator_opens_tries_and_closes_it(version: ModelVersion) -> None:
    info = selectors.info(version.id)
    open_by_hand(version=info, actor="olga", reason="A bad release.")
    circuit = circuit_of(version.id)
    assert circuit is not None
    assert (circuit.state, circuit.left_s) == (CircuitState.OPEN, None)
    probe_now(version=info, actor="olga")
    assert row(version).state == CircuitState.HALF_OPEN
    with pytest.raises(WrongStateError):
        probe_now(version=info, actor="olga")
    close_by_hand(version=info, actor="olga")
    assert circuit_of(version.id) is None
    with pytest.raises(WrongStateError):
        close_by_hand(version=info, actor="olga")
    assert list(EventRow.objects.order_by("id").values_list("actor", flat=True)) == ["olga"] * 3


def test_the_admin_shows_the_reason_and_only_an_operator_can_act(version: ModelVersion) -> None:
    opened(version, "Everything failed.")
    browser = browser_of("view_circuit")
    page = browser.get("/admin/jobs/circuit/").content.decode()
    assert "Everything failed." in page
    assert "echo:1" in page
    closing = {"action": "close", "_selected_action": [str(version.id)], "index": "0"}
    browser.post("/admin/jobs/circuit/", closing)
    assert row(version).state == CircuitState.OPEN
    User.objects.get().user_permissions.add(Permission.objects.get(codename="change_circuit"))
    page = browser.post("/admin/jobs/circuit/", closing, follow=True).content.decode()
    assert "The circuit of echo:1 was closed." in page
    assert row(version).state == CircuitState.CLOSED
    assert browser.get(f"/admin/jobs/circuit/{version.id}/change/").status_code == 200
