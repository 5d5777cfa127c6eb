"""Only their owner sees values that a schema marks: tokens replace them everywhere else."""

from __future__ import annotations

import json
import logging
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.test import Client as Browser

from jobs.api.schemas import JobSchema
from jobs.core.errors import InvalidInputError
from jobs.core.reuse.key import answer_key
from jobs.db.engine import engine
from jobs.models import Batch, CacheEntry, DeadLetter, Event, Job
from jobs.payloads import vault
from jobs.services.reads.job_views import job_view
from jobs.services.reads.lineage import lineage
from jobs.services.submission.submitted import Submitted
from jobs.worker.progress_channel import ProgressChannel
from models_registry.core.registry_errors import RegistrationError
from models_registry.loaders.builtin import Stepper
from models_registry.services import register_version
from tests.support.admin import admin_pages, bodies
from tests.support.payload_keys import OLD, use
from tests.support.personal_data import (
    INPUT,
    NUMBER,
    STREET,
    WHO,
    everything_but_payloads,
    quoting,
    secrets_in,
    submit,
)
from tests.support.submit import owner
from tests.support.worker import claim_due, prepare, raising, run


def test_a_failure_that_quotes_marked_values_is_stored_and_shown_with_tokens(
    version: str, session: sa.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    job = submit(version)
    run(session, raising(quoting))
    assert secrets_in(everything_but_payloads() + caplog.text) == []
    letter = DeadLetter.objects.get()
    assert vault.token(WHO) in letter.message
    assert vault.token(STREET) in letter.traceback
    assert (vault.token(NUMBER) in letter.message, "no such person" in letter.message) == (True, True)
    view = job_view(job.id, client_id=None)
    assert view is not None
    assert secrets_in(str(view["error"])) == []


def test_one_job_s_failure_quotes_nothing_of_another_in_its_batch(
    version: str, session: sa.Connection
) -> None:
    submit(version, INPUT | {"text": "first"})
    submit(version, {"name": "somebody-else", "home": {"street": "other"}, "id": 1, "text": "second"})
    shared: list[str] = []

    def first_of_all(value: Any) -> Exception:
        shared.append(value["name"])
        return ValueError(f"of {shared}")

    run(session, raising(first_of_all))
    assert DeadLetter.objects.count() == 2
    assert not any(name in everything_but_payloads() for name in (WHO, "somebody-else"))


def test_progress_is_stored_without_marked_values(
    version: str, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(version)
    work = claim_due(session)
    prepare(work, Stepper(1, 0.0))
    progress = ProgressChannel(engine())
    monkeypatch.setattr(progress, "_start", lambda: None)  # its rounds are made here
    progress.serve(work)
    assert work.context is not None
    work.context.of([0]).progress(0, 0.5, f"half of {WHO}")
    progress._round(look_now=False)
    report = (Batch.objects.get(id=work.id).progress or {})[str(job.id)]
    assert report["message"] == f"half of {vault.token(WHO)}"


def test_a_refusal_quotes_nothing_of_the_input(version: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for wrong in ({"name": NUMBER}, INPUT | {"id": WHO}, INPUT | {STREET: 1}):
        with pytest.raises(InvalidInputError) as raised:
            submit(version, wrong)
        assert secrets_in(f"{raised.value}{raised.value.details}{caplog.text}") == []


def test_the_key_of_an_answer_is_no_plain_hash(version: str, session: sa.Connection) -> None:
    job = submit(version)
    row, entry = Job.objects.get(), CacheEntry.objects.get()
    body = json.dumps(INPUT, sort_keys=True, separators=(",", ":")).encode()
    plain_key = answer_key(version=row.version_id, client=row.client_id, body=body, parameters=None)
    assert bytes(entry.key) != plain_key
    run(session)
    assert submit(version).cached_from == job.id


def test_the_keys_depend_on_the_site_s_secret(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = vault.token(WHO), vault.digest("answer", b"")
    use(monkeypatch, OLD, pii_key=b"p" * 32)
    assert not {*before} & {vault.token(WHO), vault.digest("answer", b"")}
    use(monkeypatch, OLD, secret_key="another secret of a site")
    assert not {*before} & {vault.token(WHO), vault.digest("answer", b"")}


def test_the_owner_reads_the_values_in_clear_and_the_lineage_has_keyed_digests(
    version: str, session: sa.Connection
) -> None:
    job = submit(version, parameters={"p": 1})
    run(session)
    view = job_view(job.id, client_id=owner().id)
    assert view is not None
    assert json.loads(bytes(view["output"])) == INPUT
    JobSchema.model_validate({**view, "metadata": None, "output": INPUT})
    origin = lineage(job.id, client_id=owner().id)
    assert origin is not None
    assert len(origin["input"]["sha256"]) == len(origin["output"]["sha256"]) == 64
    assert origin["input"]["sha256"] == origin["output"]["sha256"] != origin["input"]["parameters_sha256"]
    body = json.dumps(INPUT, sort_keys=True, separators=(",", ":")).encode()
    assert origin["input"]["sha256"] != sha256(body).hexdigest()


def test_no_page_of_the_admin_shows_a_marked_value(
    version: str, session: sa.Connection, browser: Browser
) -> None:
    quotes = {"parameters": {"of": WHO}, "metadata": {"for": STREET}}
    done = submit(version, **quotes)
    run(session)
    dead = submit(version, INPUT | {"text": "another"}, **quotes)
    run(session, raising(quoting))
    waiting = submit(version, INPUT | {"text": "a third"}, **quotes)
    text = "".join(bodies(browser, admin_pages(rows(done, dead, waiting))).values())
    assert "a plain word" in text
    assert vault.token(WHO) in text
    assert vault.token({"street": STREET}) in text
    assert secrets_in(text) == []


def rows(done: Submitted, dead: Submitted, waiting: Submitted) -> dict[str, Any]:
    jobs = list(Job.objects.values_list("pk", flat=True))
    assert {done.id, dead.id, waiting.id} == set(jobs)
    return {
        "job": jobs, "deadletter": [dead.id], "outbox": [waiting.id], "client": [], "circuit": [],
        "canaryreplay": [],
        "event": list(Event.objects.values_list("pk", flat=True)), "batch": batches(), "worker": [],
        "apitoken": [], "queuestanding": [], "delivery": [], "disabledendpoint": [], "webhooksecret": [],
    }  # fmt: skip


def batches() -> list[UUID]:
    return list(Job.objects.filter(batch_id__isnull=False).values_list("batch_id", flat=True).distinct())


def test_a_mark_that_is_neither_true_nor_false_is_not_registered() -> None:
    about = {"name": "hush", "version": "1", "loader": "entry_point", "artifact": "models_registry.x:y"}
    with pytest.raises(RegistrationError, match="true or false"):
        register_version(**about, output_schema={"properties": {"a": {"x-pii": "yes"}}})
