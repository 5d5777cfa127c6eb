"""Circuits on real rows: their changes, the jobs that they hold back, and fallbacks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.utils import timezone
from prometheus_client import REGISTRY

from jobs.core.circuits.breaker import CircuitState, Finding
from jobs.core.circuits.tally import EVERY_CLIENT, Answer, VerdictTally, tallies_of
from jobs.core.errors import CircuitOpenError, WrongStateError
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.messages.envelope import Envelope
from jobs.core.queue_names import slow_queue
from jobs.core.states import State
from jobs.core.submission.request import JobRequest
from jobs.db.engine import engine
from jobs.db.session import open_session
from jobs.db.statement import run
from jobs.models import Batch, Circuit, Client, Job, Outbox, Worker
from jobs.models import Event as EventRow
from jobs.services.access.owner import owner_of, token_digest
from jobs.services.access.tokens import create_token
from jobs.services.circuits import statements as circuits
from jobs.services.circuits.operate import answering, close_by_hand, open_by_hand, probe_now
from jobs.services.circuits.reads import circuit_of, forget_circuits
from jobs.services.operations.reading_statements import CIRCUITS
from jobs.services.reads.version_labels import version_label
from jobs.services.relay.relay import Relay
from jobs.services.submission.submit import submit_job, submit_jobs
from jobs.worker.circuit_monitor import NOBODY, CircuitMonitor, hold
from models_registry import selectors
from models_registry.core.options import BreakerOptions
from models_registry.models import ModelVersion
from models_registry.services import note_load_failure
from tests.support.admin import browser_of
from tests.support.factories import job_id, make_client, make_jobs, make_version, make_worker
from tests.support.locked import locked
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


def opened(version: ModelVersion, reason: str = "It broke.", *, client: int = EVERY_CLIENT) -> int:
    finding = Finding(client, reason)
    with engine().begin() as session:
        events = circuits.open_circuit(session, version=version.id, finding=finding, options=OPTIONS)
    forget_circuits()
    return len(events)


def probed(version: ModelVersion, *, client: int = EVERY_CLIENT, **tally: int) -> int:
    key = version.id, client
    with engine().begin() as session:
        return len(circuits.probed(session, key=key, tally=VerdictTally(**tally), options=OPTIONS))


def cool_down_over(version: ModelVersion) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_circuit SET retry_at = now() WHERE version_id = %s", (version.id,))
    with engine().begin() as session:
        assert len(circuits.begin_probing(session)) == 1
    forget_circuits()


def row(version: ModelVersion) -> Circuit:
    return Circuit.objects.get(version=version, client=EVERY_CLIENT)


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


def owner(client: str = "tests") -> Any:
    return owner_of(token_digest(create_token(client=client)))


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


def who_opened() -> dict[int, str | None]:
    """Return who opened each circuit by hand, by its client, as the live page shows it."""
    clients = {"": EVERY_CLIENT, **dict(Client.objects.values_list("name", "id"))}
    with open_session() as session:
        return {clients[held.client]: held.by for held in run(session, CIRCUITS, {"most": 10})}


def test_the_live_page_names_who_opened_a_circuit(version: ModelVersion) -> None:
    info, shop = selectors.info(version.id), make_client("shop").id
    opened(version)
    assert who_opened() == {EVERY_CLIENT: None}, "the breaker opened it"
    open_by_hand(version=info, client=shop, actor="otto")
    open_by_hand(version=info, actor="nina")
    close_by_hand(version=info, actor="nina")
    open_by_hand(version=info, actor="olga")
    assert who_opened() == {EVERY_CLIENT: "olga", shop: "otto"}
    Circuit.objects.update(since=timezone.now() + timedelta(days=1))  # as if retention forgot the events
    assert who_opened() == {EVERY_CLIENT: "an operator", shop: "an operator"}


def test_an_operator_opens_tries_and_closes_it(version: ModelVersion) -> None:
    info = selectors.info(version.id)
    open_by_hand(version=info, actor="olga", reason="A bad release.")
    circuit = circuit_of(version.id)
    assert circuit is not None
    assert (circuit.state, circuit.left_s) == (CircuitState.OPEN, None)
    assert who_opened() == {0: "olga"}
    probe_now(version=info, actor="olga")
    assert who_opened() == {0: None}
    assert row(version).state == CircuitState.HALF_OPEN
    with pytest.raises(WrongStateError):
        probe_now(version=info, actor="olga")
    close_by_hand(version=info, actor="olga")
    assert circuit_of(version.id) is None
    with pytest.raises(WrongStateError):
        close_by_hand(version=info, actor="olga")
    assert list(EventRow.objects.order_by("id").values_list("actor", flat=True)) == ["olga"] * 3


def test_held_jobs_of_both_lanes_are_let_go(version: ModelVersion) -> None:
    fast, slow = make_jobs(2, model=version.model.name, version=version)
    Outbox.objects.update(due=timezone.now() + timedelta(minutes=1))
    Outbox.objects.filter(job_id=slow.id).update(model=slow_queue(version.model.name))
    with engine().begin() as session:
        circuits.let_go(session, version=version.id, most=10)
    assert all(due <= timezone.now() for due in _due({fast.id, slow.id}))


def test_the_admin_shows_the_reason_and_only_an_operator_can_act(version: ModelVersion) -> None:
    opened(version, "Everything failed.")
    browser = browser_of("view_circuit")
    page = browser.get("/admin/jobs/circuit/").content.decode()
    assert "Everything failed." in page
    assert "echo:1" in page
    closing = {"action": "close", "_selected_action": [str(row(version).pk)], "index": "0"}
    browser.post("/admin/jobs/circuit/", closing)
    assert row(version).state == CircuitState.OPEN
    User.objects.get().user_permissions.add(Permission.objects.get(codename="change_circuit"))
    page = browser.post("/admin/jobs/circuit/", closing, follow=True).content.decode()
    assert "The circuit of echo:1 was closed." in page
    assert row(version).state == CircuitState.CLOSED
    assert browser.get(f"/admin/jobs/circuit/{row(version).pk}/change/").status_code == 200


def judged(count: int, client: str, kind: FailureKind | None = None) -> list[Answer]:
    """Return that many answers of one client, failures where they have a kind."""
    if kind is None:
        return [Answer(make_client(client).id, Success(b"1"), State.SUCCEEDED)] * count
    failure = Failure(kind, "Bug", "a message")
    return [Answer(make_client(client).id, failure, State.DEAD)] * count


def monitor(worker: UUID = NOBODY) -> CircuitMonitor:
    return CircuitMonitor(engine(), lambda _version: OPTIONS, worker)


def test_one_client_s_bad_inputs_hold_that_client_and_nobody_else(version: ModelVersion) -> None:
    noisy, quiet = owner("noisy"), owner("quiet")
    monitor().observe(version.id, tallies_of(judged(60, "noisy", FailureKind.INTERNAL)))
    forget_circuits()
    assert Circuit.objects.get().client == noisy.id
    request = JobRequest(model="echo", input={})
    with pytest.raises(CircuitOpenError, match="Your own jobs at echo:1 fail too often") as caught:
        submit_job(owner=noisy, request=request)
    assert caught.value.details["circuit"] == "client"
    assert caught.value.details["retry_after_s"] <= 20
    assert submit_job(owner=quiet, request=request).state == State.QUEUED
    view = monitor()
    assert view.hold_s(version.id, noisy.id) > 0.0
    assert view.hold_s(version.id, quiet.id) == 0.0


@pytest.mark.parametrize(
    ("failures", "held"),
    [
        ([("noisy", 60, FailureKind.INVALID)], {"noisy"}),
        ([("noisy", 30, FailureKind.INTERNAL), ("other", 30, FailureKind.INTERNAL)], {"all"}),
        ([("noisy", 30, FailureKind.INVALID), ("other", 30, FailureKind.INVALID)], set()),
    ],
)
def test_several_clients_failures_open_the_version_s_circuit_but_no_invalid_inputs(
    version: ModelVersion, failures: list[tuple[str, int, FailureKind]], held: set[str]
) -> None:
    view = monitor()
    for client, count, kind in failures:
        view.observe(version.id, tallies_of(judged(count, client, kind)))
    names = {0: "all"} | {client.id: client.name for client in Client.objects.all()}
    assert {names[circuit.client] for circuit in Circuit.objects.all()} == held


def test_a_failure_that_bisection_pinned_opens_nothing_for_others(version: ModelVersion) -> None:
    view = monitor()
    for _ in range(100):
        noisy = judged(1, "noisy", FailureKind.INTERNAL)
        view.observe(version.id, tallies_of([*noisy, *judged(7, "quiet")]))
    assert Circuit.objects.get().client == make_client("noisy").id


def ran(version: ModelVersion, worker: Worker, client: str, state: State, count: int = 20) -> None:
    """Store a batch of another worker whose jobs ended like this."""
    batch = Batch.objects.create(
        id=job_id(), worker=worker, version=version, members=[], size=count, seal_reason="full",
        **{"succeeded" if state is State.SUCCEEDED else "failed": count},
    )  # fmt: skip
    jobs = make_jobs(count, state=state, version=version, client=make_client(client), batch=batch)
    Batch.objects.filter(pk=batch.pk).update(members=[job.id for job in jobs])


@pytest.mark.parametrize("clients", [["one"], ["one", "two"]])
def test_a_version_that_fails_on_one_worker_alone_rests_there_and_stays_open_to_all(
    version: ModelVersion, clients: list[str]
) -> None:
    sick, well = make_worker("gpu-0@tests"), make_worker("gpu-1@tests")
    for client in clients:
        ran(version, well, client, State.SUCCEEDED)
    view = monitor(sick.id)
    for client in clients:
        view.observe(version.id, tallies_of(judged(60 // len(clients), client, FailureKind.INTERNAL)))
    assert not Circuit.objects.exists()
    assert view.resting() == {version.id}
    assert view.hold_s(version.id) == 1.0
    (event,) = EventRow.objects.filter(kind="circuit")
    assert (event.detail["state"], event.detail["worker"]) == ("resting", str(sick.id))
    assert not monitor(well.id).resting()


@pytest.mark.parametrize("clients", [["one"], ["one", "two"]])
def test_a_worker_that_fails_before_another_answered_anything_leaves_the_jobs_to_it(
    version: ModelVersion, clients: list[str]
) -> None:
    sick, slow = make_worker("gpu-0@tests"), make_worker("gpu-1@tests")
    view = monitor(sick.id)
    for client in clients:
        view.observe(version.id, tallies_of(judged(60 // len(clients), client, FailureKind.INTERNAL)))
    assert not Circuit.objects.exists()
    assert view.resting() == {version.id}
    ran(version, sick, clients[0], State.DEAD, count=60)
    after = monitor(slow.id)
    for client in clients:
        after.observe(version.id, tallies_of(judged(60 // len(clients), client, FailureKind.INTERNAL)))
    assert Circuit.objects.exists(), "the second worker that fails opens it"


@pytest.mark.parametrize(
    "other",
    [{"ended_at": timezone.now()}, {"heartbeat_at": timezone.now() - timedelta(60)}, {"model_names": ["b"]}],
)
def test_the_only_live_worker_of_a_model_opens_its_circuit(
    version: ModelVersion, other: dict[str, Any]
) -> None:
    here = make_worker("gpu-0@tests")
    make_worker("gpu-1@tests", **other)
    view = monitor(here.id)
    view.observe(version.id, tallies_of(judged(60, "one", FailureKind.INTERNAL)))
    assert Circuit.objects.exists()
    assert not view.resting()


def test_a_worker_that_cannot_load_the_version_is_no_reason_to_keep_its_circuit_closed(
    version: ModelVersion,
) -> None:
    here, other = make_worker("gpu-0@tests"), make_worker("gpu-1@tests")
    note_load_failure(node=other.node, version=version.id, reason="no such file")
    view = monitor(here.id)
    view.observe(version.id, tallies_of(judged(60, "one", FailureKind.INTERNAL)))
    assert Circuit.objects.exists()
    assert not view.resting()


def test_inputs_that_are_invalid_on_any_worker_open_their_client_s_circuit_at_once(
    version: ModelVersion,
) -> None:
    here = make_worker("gpu-0@tests")
    make_worker("gpu-1@tests")
    monitor(here.id).observe(version.id, tallies_of(judged(60, "noisy", FailureKind.INVALID)))
    assert Circuit.objects.get().client == make_client("noisy").id


def test_a_sick_worker_s_failed_probe_leaves_the_probes_to_the_others(version: ModelVersion) -> None:
    opened(version)
    cool_down_over(version)
    sick, well = make_worker("gpu-0@tests"), make_worker("gpu-1@tests")
    views = {worker: monitor(worker.id) for worker in (sick, well)}
    for view in views.values():
        assert view.hold_s(version.id) == 0.0
    failed = tallies_of(judged(1, "one", FailureKind.INTERNAL))
    views[sick].observe(version.id, failed)
    views[sick].observe(version.id, failed)  # a straggler
    assert (row(version).state, views[sick].resting()) == (CircuitState.HALF_OPEN, {version.id})
    views[well].observe(version.id, tallies_of(judged(OPTIONS.probes, "one")))
    assert row(version).state == CircuitState.CLOSED


def test_a_probe_that_fails_on_a_second_worker_opens_the_circuit_again(version: ModelVersion) -> None:
    opened(version)
    cool_down_over(version)
    first, second = make_worker("gpu-0@tests"), make_worker("gpu-1@tests")
    view = monitor(second.id)
    assert view.hold_s(version.id) == 0.0
    ran(version, first, "one", State.WAITING, count=1)
    view.observe(version.id, tallies_of(judged(1, "one", FailureKind.INTERNAL)))
    assert (row(version).state, view.resting()) == (CircuitState.OPEN, set())


def test_a_version_that_every_worker_failed_is_not_left_resting_on_the_last_one(
    version: ModelVersion,
) -> None:
    here, there = make_worker("gpu-0@tests"), make_worker("gpu-1@tests")
    options = BreakerOptions(cool_s=0.01, least=5, probes=2)
    view = CircuitMonitor(engine(), lambda _version: options, here.id)
    failed = tallies_of(judged(5, "one", FailureKind.INTERNAL))
    view.observe(version.id, failed)
    assert version.id in view._rests
    wait_until(lambda: not view.resting())
    Worker.objects.filter(id=there.id).update(ended_at=timezone.now())
    view.observe(version.id, failed)
    assert not view.resting()
    assert Circuit.objects.exists()


def test_a_version_that_fails_on_every_worker_is_held_for_all(version: ModelVersion) -> None:
    here, there = make_worker("gpu-0@tests"), make_worker("gpu-1@tests")
    ran(version, there, "one", State.DEAD)
    ran(version, there, "two", State.SUCCEEDED, count=1)
    view = monitor(here.id)
    view.observe(version.id, tallies_of(judged(30, "one", FailureKind.INTERNAL)))
    view.observe(version.id, tallies_of(judged(30, "two", FailureKind.INTERNAL)))
    assert Circuit.objects.get().client == EVERY_CLIENT
    assert not view.resting()


def test_a_client_whose_inputs_fail_here_is_held_though_an_earlier_one_worked_elsewhere(
    version: ModelVersion,
) -> None:
    here, there = make_worker("gpu-0@tests"), make_worker("gpu-1@tests")
    ran(version, there, "noisy", State.SUCCEEDED)
    view = monitor(here.id)
    view.observe(version.id, tallies_of(judged(20, "quiet")))
    view.observe(version.id, tallies_of(judged(60, "noisy", FailureKind.INTERNAL)))
    assert Circuit.objects.get().client == make_client("noisy").id
    assert not view.resting()


def test_probes_of_a_client_close_its_circuit_and_leave_the_version_s_alone(version: ModelVersion) -> None:
    client = make_client("noisy").id
    opened(version, client=client)
    cool_down_over(version)
    view = monitor()
    assert view.hold_s(version.id, client) == 0.0
    view.observe(version.id, tallies_of([*judged(2, "noisy"), *judged(4, "quiet", FailureKind.INVALID)]))
    assert Circuit.objects.get().state == CircuitState.CLOSED


def test_the_relay_holds_a_client_s_jobs_and_publishes_those_of_others(broker_url: str) -> None:
    model = new_model()
    version = make_version(model)
    noisy, quiet = make_client("noisy"), make_client("quiet")
    opened(version, client=noisy.id)
    held = {job.id for job in make_jobs(5, model=model, version=version, client=noisy, priority=9)}
    passed = {job.id for job in make_jobs(5, model=model, version=version, client=quiet)}
    with running(broker_url, [model]):
        wait_until(lambda: Outbox.objects.filter(published=1, job_id__in=passed).count() == 5)
        since = Circuit.objects.get().since
        wait_until(lambda: all(due > since for due in _due(held)))
        assert set(Outbox.objects.filter(job_id__in=held).values_list("published", flat=True)) == {0}
        close_by_hand(version=selectors.info(version.id), client=noisy.id, actor="olga")
        wait_until(lambda: ready(broker_url, model) == 10)


def test_the_admin_names_the_client_that_a_circuit_holds(version: ModelVersion) -> None:
    opened(version, client=make_client("noisy").id)
    browser = browser_of("view_circuit", "change_circuit")
    assert "client noisy" in browser.get("/admin/jobs/circuit/").content.decode()
    closing = {"action": "close", "_selected_action": [str(Circuit.objects.get().pk)], "index": "0"}
    page = browser.post("/admin/jobs/circuit/", closing, follow=True).content.decode()
    assert "The circuit of echo:1 for client noisy was closed." in page
    assert Circuit.objects.get().state == CircuitState.CLOSED


def test_a_circuit_whose_row_is_locked_keeps_no_other_from_being_tried(db: str) -> None:
    first, second = make_version(), make_version(new_model())
    for version in (first, second):
        opened(version)
    Circuit.objects.update(retry_at="2000-01-01T00:00Z")
    with locked(db, "jobs_circuit WHERE version_id = %s", first.id), engine().begin() as session:
        assert [change.version for change in circuits.begin_probing(session)] == [second.id]
    with engine().begin() as session:
        assert [change.version for change in circuits.begin_probing(session)] == [first.id]


def test_a_relay_shows_a_version_s_circuit_under_its_name(version: ModelVersion) -> None:
    opened(version)
    opened(version, client=4711)
    relay: Any = Relay.__new__(Relay)  # it shows what it last read
    with engine().begin() as session:
        relay._circuits = circuits.read(session)
    relay._show_circuits(version.id)
    assert REGISTRY.get_sample_value("inference_circuit_state", {"version": "echo:1"}) == 2
    assert REGISTRY.get_sample_value("inference_clients_held", {"version": "echo:1"}) == 1
    assert version_label(2_000_000_000) == "unknown"
