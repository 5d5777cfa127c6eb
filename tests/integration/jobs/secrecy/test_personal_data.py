"""Only their owner sees values that a schema marks: tokens replace them everywhere else."""

from __future__ import annotations

import base64
import json
import logging
import time
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.test import Client as Browser
from django.urls import reverse

from jobs.api.schemas import JobSchema
from jobs.core.errors import InvalidInputError
from jobs.core.reuse.key import AnswerScope, answer_key
from jobs.db.engine import engine
from jobs.models import Batch, CacheEntry, DeadLetter, Event, Job
from jobs.payloads import vault
from jobs.services.dead_letters.payload import words_of
from jobs.services.reads.job_views import job_view
from jobs.services.reads.lineage import lineage
from jobs.services.submission.submitted import Submitted
from jobs.worker.progress_channel import ProgressChannel
from jobs.worker.stages.privacy import WITHHELD
from models_registry.core.registry_errors import RegistrationError, RetryableError
from models_registry.loaders.builtin import Stepper
from models_registry.services import register_version
from tests.support.admin import admin_pages, bodies
from tests.support.drift import make_drift
from tests.support.payload_keys import NEW, OLD, secret_version, use
from tests.support.personal_data import (
    INPUT,
    NUMBER,
    PLAIN,
    SCHEMA,
    SECRETS,
    STREET,
    WHO,
    everything_but_payloads,
    quoting,
    secrets_in,
    submit,
)
from tests.support.shown_platform import make_autoscaler, make_experiment
from tests.support.submit import owner
from tests.support.worker import claim_due, prepare, raising, run


def test_of_a_failure_only_kind_code_and_place_are_stored_in_clear_and_shown(
    version: str, session: sa.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    job = submit(version)
    run(session, raising(quoting))
    assert secrets_in(everything_but_payloads() + caplog.text) == []
    letter = DeadLetter.objects.get()
    assert (letter.code, letter.message, letter.traceback) == ("ValueError", WITHHELD, "")
    assert letter.fingerprint == "internal:ValueError:execute.py:run"  # the test's model is no loaded code
    view = job_view(job.id, client_id=None)
    assert view is not None
    assert view["error"]["detail"] == WITHHELD


def disguised(value: Any) -> Exception:
    """Return an error that holds a name in forms that no search for it finds, in its type, code and text."""
    name = value["name"]
    forms = [
        name[:5],
        name.upper(),
        base64.b64encode(name.encode()),
        "\u200b".join(name),
        name.encode(),
        *name,
    ]
    made: Any = type(name.replace("-", "_"), (RetryableError,), {"code": name})
    error: Exception = made(f"{forms!r}")
    return error


def test_no_form_of_a_value_leaves_the_sealed_words(version: str, session: sa.Connection) -> None:
    submit(version)
    run(session, raising(disguised))
    text = everything_but_payloads().lower()
    whole = (WHO, "maxima", base64.b64encode(WHO.encode()).decode().lower(), "\u200b", "'m', 'a', 'x'")
    assert [form for form in whole if form in text] == []
    assert DeadLetter.objects.get().code == "retryable"


def test_the_model_s_words_are_read_by_who_may_see_payloads_and_by_nobody_without_a_key(
    version: str, session: sa.Connection, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(version)
    run(session, raising(quoting))
    words = words_of(job.id)
    assert words is not None
    assert secrets_in(words.message) == list(SECRETS)
    assert STREET in words.traceback
    page = browser.get(reverse("admin:jobs_deadletter_change", args=[job.id]))
    assert WHO in page.content.decode()
    assert Event.objects.filter(kind="view_payload", job_id=job.id).exists()
    use(monkeypatch, NEW)
    page = browser.get(reverse("admin:jobs_deadletter_change", args=[job.id]))
    assert WHO not in page.content.decode()
    assert "that key is not here" in page.content.decode()


def test_without_keys_nobody_keeps_the_model_s_words(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_version(PLAIN, input_schema=SCHEMA, output_schema={}, options={})
    use(monkeypatch)
    job = submit(PLAIN)
    run(session, raising(quoting))
    assert DeadLetter.objects.get().words is None
    assert words_of(job.id) is None


def test_sixteen_large_failures_take_no_time_of_their_batch(version: str, session: sa.Connection) -> None:
    for at in range(16):
        submit(version, INPUT | {"text": f"{at} " + "word " * 180_000})
    began = time.monotonic()
    run(session, raising(lambda value: ValueError(json.dumps(value))))
    assert time.monotonic() - began < 10
    assert DeadLetter.objects.count() == 16


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


def test_progress_is_stored_without_the_model_s_message(
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
    assert (report["message"], report["fraction"]) == ("", 0.5)


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
    plain_key = answer_key(AnswerScope(row.version_id, 0, row.client_id), body=body, parameters=None)
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
    assert vault.token(quotes["metadata"]) in text
    assert secrets_in(text) == []  # the dead job is replayed first: its page alone shows the model's words


def rows(done: Submitted, dead: Submitted, waiting: Submitted) -> dict[str, Any]:
    jobs = list(Job.objects.values_list("pk", flat=True))
    assert {done.id, dead.id, waiting.id} == set(jobs)
    return {
        "job": jobs, "deadletter": [dead.id], "outbox": [waiting.id], "client": [], "circuit": [],
        "canaryreplay": [], "bulkact": [], "workpause": [], "trial": [], "shadow": [],
        "experiment": [make_experiment().pk], "autoscaler": [make_autoscaler().pk],
        "frozenreference": [make_drift().pk],
        "event": list(Event.objects.values_list("pk", flat=True)), "batch": batches(), "worker": [],
        "apitoken": [], "queuestanding": [], "delivery": [], "disabledendpoint": [], "webhooksecret": [],
    }  # fmt: skip


def batches() -> list[UUID]:
    return list(Job.objects.filter(batch_id__isnull=False).values_list("batch_id", flat=True).distinct())


def test_a_mark_that_is_neither_true_nor_false_is_not_registered() -> None:
    about: dict[str, Any] = {
        "name": "hush",
        "version": "1",
        "loader": "entry_point",
        "artifact": "models_registry.x:y",
    }
    with pytest.raises(RegistrationError, match="true or false"):
        register_version(**about, output_schema={"properties": {"a": {"x-pii": "yes"}}})
