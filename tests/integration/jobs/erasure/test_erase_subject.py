"""All jobs of a subject go, and nobody else's; a crash midway leaves the rest for the next run."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.core.management import CommandError, call_command
from django.test import Client as HttpClient

from jobs.models import Erasure, Event, Job, Subject
from jobs.payloads.subject_digest import MOST_SUBJECTS
from jobs.services.access.tokens import create_token
from jobs.services.dead_letters.edit import replay_edited
from jobs.services.erasure import erase_subject
from jobs.services.erasure.erase_subject import continue_erasures
from models_registry import selectors
from models_registry.core.registry_errors import InvalidInputError, RegistrationError
from models_registry.services.register import register_version
from tests.support import worker
from tests.support.factories import make_version
from tests.support.marker import places
from tests.support.submit import submit_to

WHO = {"type": ["string", "integer"], "x-subject": True}
SCHEMA = {
    "type": "object",
    "properties": {"who": WHO, "friends": {"type": "array", "items": WHO}, "text": {"type": "string"}},
}
ANNA, BERT = "anna-4711", "bert-4712"


@pytest.fixture(autouse=True)
def model(folder: Path) -> None:
    selectors.forget()
    make_version("notes", input_schema=SCHEMA)
    make_version("echo", input_schema={"type": "object"})


@pytest.fixture
def app(folder: Path) -> HttpClient:
    token = create_token(client="tests", scopes=["erase"])
    return HttpClient(headers={"Authorization": f"Bearer {token}"})


def of(who: Any, **others: Any) -> UUID:
    return submit_to("notes", {"who": who, **others}).id


def erased() -> set[UUID]:
    return set(Job.objects.filter(erased_at__isnull=False).values_list("id", flat=True))


def ask(app: HttpClient, **body: Any) -> Any:
    return app.post("/api/v1/erasures", json.dumps(body), "application/json")


def test_all_jobs_of_a_subject_are_erased_and_no_other(app: HttpClient, folder: Path) -> None:
    mine = {of(ANNA), of(BERT, friends=[ANNA]), of(ANNA, text="x" * 100_000)}
    others = {of(BERT), of("anna"), submit_to("echo", {"who": ANNA}).id}
    answer = ask(app, subject=ANNA)
    assert answer.status_code == 202
    receipt = answer.json()
    assert (receipt["jobs"], receipt["erased"], receipt["finished_at"] is not None) == (3, 3, True)
    assert erased() == mine
    assert Job.objects.filter(pk__in=others, erased_at__isnull=True).count() == 3
    assert places(ANNA, folder) == {"jobs_jobinput"}, "that of a model that marks no subject"
    assert app.get("/api/v1/erasures").json() == {"erasures": [receipt]}
    event = Event.objects.get(kind="erase_subject")
    assert (event.actor, event.detail["counts"]) == ("client:tests", {"jobs": 3, "erased": 3})
    assert Erasure.objects.get().digest is None


def test_a_dry_run_only_counts(app: HttpClient) -> None:
    of(ANNA), of(ANNA)
    assert ask(app, subject=ANNA, dry_run=True).json()["jobs"] == 2
    assert ask(app, subject="nobody", dry_run=True).json()["jobs"] == 0
    assert not erased()
    assert not Erasure.objects.exists()


def test_a_client_reaches_its_own_jobs_only(app: HttpClient) -> None:
    of(ANNA)
    other = HttpClient(headers={"Authorization": f"Bearer {create_token(client='x', scopes=['erase'])}"})
    receipt = ask(other, subject=ANNA).json()
    assert (receipt["jobs"], erased()) == (0, set())
    ask(app, subject=BERT)
    assert other.get("/api/v1/erasures").json() == {"erasures": [receipt]}


def test_what_a_crash_leaves_is_erased_by_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = {of(ANNA) for _ in range(5)}
    monkeypatch.setattr(erase_subject, "JOBS_AT_ONCE", 2)
    with monkeypatch.context() as crash:
        crash.setattr(erase_subject, "delete_objects", _dies)
        with pytest.raises(SystemExit):
            call_command("erase", client="tests", subject=ANNA)
    assert len(erased()) == 2
    assert Erasure.objects.get().finished_at is None
    continue_erasures()
    receipt = Erasure.objects.get()
    assert (receipt.erased, receipt.finished_at is not None) == (5, True)
    assert erased() == jobs


def _dies(_names: list[str]) -> int:
    raise SystemExit


def test_jobs_that_come_later_are_not_part_of_it(app: HttpClient) -> None:
    ask(app, subject=ANNA)
    later = of(ANNA)
    continue_erasures()
    assert later not in erased()


def test_a_number_is_a_subject_too(app: HttpClient) -> None:
    job = of(4711)
    ask(app, subject="4711")
    assert erased() == {job}


def test_an_edited_input_is_of_its_new_subject_too(app: HttpClient, session: sa.Connection) -> None:
    job = of(ANNA)
    worker.run(session, worker.raising(lambda _: ValueError("no")))
    replay_edited(job_id=job, actor="test", text=json.dumps({"who": BERT}))
    ask(app, subject=BERT)
    assert erased() == {job}


def test_only_models_that_mark_a_subject_have_rows(db: str) -> None:
    submit_to("echo", {"who": ANNA})
    assert not Subject.objects.exists()


def test_a_request_that_is_none_is_refused(app: HttpClient) -> None:
    for body in ({}, {"subject": ""}, {"subject": 5}, {"subject": "a", "client": "x"}):
        assert (ask(app, **body).status_code, ask(app, **body).json()["code"]) == (400, "malformed")


def test_the_command_takes_a_job_or_a_subject() -> None:
    of(ANNA)
    out = StringIO()
    call_command("erase", client="tests", subject=ANNA, dry_run=True, stdout=out)
    assert out.getvalue() == "1 jobs would be erased\n"
    for options in ({}, {"client": "tests"}, {"job": UUID(int=1), "client": "c", "subject": "s"}):
        with pytest.raises(CommandError):
            call_command("erase", **options)
    with pytest.raises(CommandError, match="no such job"):
        call_command("erase", job=UUID(int=1))


def test_a_mark_that_is_neither_true_nor_false_is_refused() -> None:
    schema = {"type": "object", "properties": {"who": {"x-subject": "yes"}}}
    with pytest.raises(RegistrationError, match="x-subject"):
        register_version(name="odd", version="1", loader="entry_point", artifact="a:b", input_schema=schema)


def test_one_job_names_no_more_subjects_than_it_may_have_rows() -> None:
    of(ANNA, friends=[f"friend {number}" for number in range(MOST_SUBJECTS - 1)])
    with pytest.raises(InvalidInputError, match="more than 100 subjects"):
        of(ANNA, friends=[f"friend {number}" for number in range(100_000)])
    assert Subject.objects.count() == MOST_SUBJECTS
