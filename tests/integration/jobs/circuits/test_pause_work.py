"""What an operator pauses waits: it is accepted, but neither published nor claimed, until it is resumed."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs.core.circuits.paused_work import PauseKind
from jobs.core.errors import WrongStateError
from jobs.core.states import State
from jobs.db.engine import engine
from jobs.models import Event, Outbox, WorkPause
from jobs.services.circuits.pause_work import pause, resume
from jobs.services.circuits.reads import forget_circuits
from jobs.worker.circuit_monitor import CircuitMonitor
from models_registry import selectors
from models_registry.core.options import BreakerOptions
from models_registry.models import Alias
from models_registry.shared.platform_errors import PlatformError
from tests.support.admin import browser_of, text_of
from tests.support.factories import make_client, make_job, make_jobs, make_version
from tests.support.relays import new_model, ready, running
from tests.support.submit import submit_to
from tests.support.wait import wait_until

PAGE = "/admin/jobs/workpause/"


@pytest.fixture(autouse=True)
def fresh(db: str) -> None:
    selectors.forget()
    forget_circuits()


def published(jobs: set[UUID]) -> int:
    return Outbox.objects.filter(job_id__in=jobs, published__gt=0).count()


def begin(kind: PauseKind, name: str) -> None:
    pause(kind=kind, name=name, reason="the disk is full", actor="olga")


@pytest.mark.parametrize("kind", list(PauseKind))
def test_jobs_of_what_is_paused_wait_and_others_go_on_until_it_is_resumed(
    broker_url: str, kind: PauseKind
) -> None:
    model, other = new_model(), new_model()
    version, theirs = make_version(model), make_client("theirs")
    make_version(other)
    names = {PauseKind.MODEL: model, PauseKind.VERSION: f"{model}:1", PauseKind.CLIENT: "theirs"}
    held = {job.id for job in make_jobs(5, model=model, version=version, client=theirs)}
    passed = {job.id for job in make_jobs(5, model=other)}
    begin(kind, names[kind])
    with running(broker_url, [model, other]):
        wait_until(lambda: published(passed) == 5)
        late = {job.id for job in make_jobs(3, model=model, version=version, client=theirs)}
        passed = {job.id for job in make_jobs(2, model=other)}
        wait_until(lambda: published(passed) == 2)
        assert published(held | late) == 0
        resume(kind=kind, name=names[kind], actor="olga")
        wait_until(lambda: ready(broker_url, model) == 8)
    acts = Event.objects.order_by("id").values_list("kind", "actor", "detail__name")
    assert list(acts) == [("pause", "olga", names[kind]), ("resume", "olga", names[kind])]


def test_a_resume_lets_held_jobs_go_in_their_order_and_no_job_that_was_not_due() -> None:
    version = make_version()
    begin(PauseKind.VERSION, "echo:1")
    jobs = make_jobs(5, version=version)
    later = timezone.now() + timedelta(hours=1)
    Outbox.objects.update(due=later)
    own = make_job(version=version)  # a replay's pace
    Outbox.objects.filter(job=own).update(due=later, since=later)
    resume(kind=PauseKind.VERSION, name="echo:1", actor="olga")
    due = list(Outbox.objects.order_by("due").values_list("job_id", flat=True))
    assert due == [*sorted(job.id for job in jobs), own.id]
    assert Outbox.objects.filter(due=later).count() == 1


def test_a_worker_claims_nothing_that_is_paused() -> None:
    first, second = make_version("echo", "1"), make_version("echo", "2")
    theirs = make_client("theirs")
    monitor = CircuitMonitor(engine(), lambda _version: BreakerOptions())
    begin(PauseKind.VERSION, "echo:1")
    begin(PauseKind.CLIENT, "theirs")
    assert monitor.hold_s(first.id, 7) > 0
    assert monitor.hold_s(second.id, 7) == 0
    assert monitor.hold_s(second.id, theirs.id) > 0


def test_a_new_job_of_a_paused_model_is_accepted() -> None:
    make_version()
    begin(PauseKind.MODEL, "echo")
    assert submit_to("echo", "x").state == State.QUEUED


def test_pausing_twice_and_resuming_twice_say_so() -> None:
    make_version()
    begin(PauseKind.MODEL, "echo")
    with pytest.raises(WrongStateError, match="paused already"):
        begin(PauseKind.MODEL, "echo")
    resume(kind=PauseKind.MODEL, name="echo", actor="olga")
    with pytest.raises(WrongStateError, match="not paused"):
        resume(kind=PauseKind.MODEL, name="echo", actor="olga")


@pytest.mark.parametrize("kind", list(PauseKind))
def test_there_is_no_pause_of_what_does_not_exist(kind: PauseKind) -> None:
    with pytest.raises(PlatformError):
        begin(kind, "nobody")
    assert not WorkPause.objects.exists()


def test_what_was_paused_by_an_alias_is_resumed_after_the_alias_has_moved() -> None:
    first, second = make_version("echo", "1"), make_version("echo", "2")
    alias = Alias.objects.create(model=first.model, name="live", version=first)
    begin(PauseKind.VERSION, "echo@live")
    assert WorkPause.objects.get().name == "echo:1"
    Alias.objects.filter(pk=alias.pk).update(version=second)
    selectors.forget()
    resume(kind=PauseKind.VERSION, name="echo:1", actor="olga")
    assert not WorkPause.objects.exists()


def test_a_client_that_was_renamed_while_paused_is_resumed() -> None:
    make_version()
    theirs = make_client("theirs")
    operator = browser_of("view_workpause", "change_workpause")
    for press in ("page", "command"):
        type(theirs).objects.filter(pk=theirs.pk).update(name="theirs")
        begin(PauseKind.CLIENT, "theirs")
        type(theirs).objects.filter(pk=theirs.pk).update(name="renamed")
        if press == "page":
            row = str(WorkPause.objects.get().pk)
            operator.post(PAGE, {"action": "resume", "_selected_action": [row], "index": "0"})
        else:
            resume(kind=PauseKind.CLIENT, name="theirs", actor="olga")
        assert not WorkPause.objects.exists(), press


def test_commands_pause_and_resume(capsys: pytest.CaptureFixture[str]) -> None:
    make_version()
    call_command("pause", "model", "echo", "--reason", "an upgrade")
    assert WorkPause.objects.get().reason == "an upgrade"
    call_command("resume", "model", "echo")
    assert not WorkPause.objects.exists()
    assert capsys.readouterr().out == "the model echo is paused\nthe model echo goes on\n"
    with pytest.raises(CommandError, match="not paused"):
        call_command("resume", "model", "echo")


def test_pages_pause_and_resume_with_the_right_of_it() -> None:
    make_version()
    operator = browser_of("view_workpause", "change_workpause")
    form = {"kind": "model", "name": "echo", "reason": "the disk is full"}
    assert "is paused: its jobs" in operator.post(f"{PAGE}begin/", form, follow=True).content.decode()
    text = text_of(operator, PAGE)
    assert "the disk is full" in text
    assert "olga" in text
    viewer = browser_of("view_workpause", name="vera")
    assert '<select name="kind"' not in text_of(viewer, PAGE)
    assert viewer.post(f"{PAGE}begin/", form).status_code == 403
    pressed = {"action": "resume", "_selected_action": [str(WorkPause.objects.get().pk)], "index": "0"}
    viewer.post(PAGE, pressed)
    assert WorkPause.objects.exists()
    assert "The model echo goes on." in operator.post(PAGE, pressed, follow=True).content.decode()
    assert not WorkPause.objects.exists()
    assert "Say what to pause" in operator.post(f"{PAGE}begin/", {}, follow=True).content.decode()
