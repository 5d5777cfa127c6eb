"""An operator edits an input around the values that are hidden from operators."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from django.test import Client as Browser
from django.utils import timezone

from jobs.core.errors import DatabaseUnusableError, PayloadUnreadableError
from jobs.core.states import State
from jobs.models import CanaryReplay, Event, Job, JobInput, JobKey, JobResult
from jobs.payloads import vault
from jobs.services.access.known_keys import check_keys
from jobs.services.dead_letters.canary import start_replay, take_steps
from jobs.services.dead_letters.dry_run import dry_run
from jobs.services.dead_letters.edit import check_edit, replay_edited
from jobs.services.dead_letters.edited_replays import continue_edits
from jobs.services.dead_letters.group_edit import GroupEdit, try_edit
from jobs.services.dead_letters.payload import read_payload
from jobs.services.dead_letters.reads import DeadLetterFilter
from jobs.services.reads.job_views import job_view
from tests.support.payload_keys import NEW, OLD, dump, secret_version, use
from tests.support.personal_data import (
    INPUT,
    NUMBER,
    PLAIN,
    SCHEMA,
    STREET,
    WHO,
    dead_job,
    everything_but_payloads,
    secrets_in,
    submit,
)
from tests.support.worker import run


def test_an_operator_edits_around_the_tokens_and_sees_no_secret(version: str, session: sa.Connection) -> None:
    job = dead_job(version, session)
    seen = read_payload(job_id=job.id, actor="olga")
    assert seen.tokenized
    assert secrets_in(seen.head.decode()) == []
    text = seen.head.decode().replace("a plain word", "a better word")
    replay_edited(job_id=job.id, actor="olga", text=text)
    assert secrets_in(everything_but_payloads() if version == PLAIN else dump()) == []
    detail = Event.objects.get(kind="replay").detail
    assert set(detail) == {"input_hmac", "was", "ended_at", "batch"}
    assert run(session) == [job.id]
    view = job_view(job.id, client_id=None)
    assert view is not None
    assert json.loads(bytes(view["output"])) == INPUT | {"text": "a better word"}
    assert bytes(view["metadata"]) == b'{"m":1}'


def test_a_token_moved_to_an_unmarked_place_stays_a_token(version: str, session: sa.Connection) -> None:
    job = dead_job(version, session)
    token = vault.token(WHO)
    mended = check_edit(job_id=job.id, text=json.dumps({"name": token, "text": token}))
    assert json.loads(mended.body) == {"name": WHO, "text": token}


def test_an_edited_name_replaces_the_marked_one(version: str, session: sa.Connection) -> None:
    job = dead_job(version, session)
    mended = check_edit(
        job_id=job.id, text=json.dumps({"name": "right", "home": vault.token({"street": STREET})})
    )
    assert json.loads(mended.body) == {"name": "right", "home": {"street": STREET}}


def test_a_dry_run_quotes_no_secret(version: str, session: sa.Connection) -> None:
    job = dead_job(version, session)
    if version == PLAIN:
        JobInput.objects.filter(pk=job.id).update(body=json.dumps({"name": NUMBER, STREET: 1}).encode())
    else:
        JobInput.objects.filter(pk=job.id).update(body=b"spoilt by somebody, and of no use to anybody")
    report = dry_run(selection=DeadLetterFilter(), most=10)
    assert report.invalid == 1
    assert secrets_in(str(report.faults)) == []


def test_an_unreadable_input_is_a_sentence_on_the_page(session: sa.Connection, browser: Browser) -> None:
    secret_version("s", input_schema=SCHEMA, options={"encrypt": True})
    job = submit("s")
    run(session)
    JobResult.objects.update(body=b"spoilt by somebody, and of no use to anybody")
    page = browser.get(f"/admin/jobs/job/{job.id}/change/")
    assert "The result is not what" in page.content.decode()


def test_an_operator_without_the_key_gets_a_clear_error(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_version("s", input_schema=SCHEMA, options={"encrypt": True})
    job = dead_job("s", session)
    use(monkeypatch, NEW)
    with pytest.raises(PayloadUnreadableError):
        read_payload(job_id=job.id, actor="olga")
    with pytest.raises(PayloadUnreadableError):
        replay_edited(job_id=job.id, actor="olga", text="{}")


def test_a_relay_which_has_no_keys_leaves_an_edited_group_to_a_process_that_has_them(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_version("s", input_schema=SCHEMA, options={"encrypt": True})
    for _ in range(3):
        dead_job("s", session)
    edit = GroupEdit('[{"op": "replace", "path": "/text", "value": "better"}]')
    start_replay(selection=DeadLetterFilter(), actor="olga", most=10, edit=edit)
    first = Job.objects.filter(pk=CanaryReplay.objects.get().canary)
    first.update(state=State.SUCCEEDED, finished_at=timezone.now())
    with monkeypatch.context() as relay:
        use(relay)
        take_steps()
        with pytest.raises(DatabaseUnusableError):
            continue_edits()
    assert CanaryReplay.objects.get().state == "trying"
    continue_edits()
    replay = CanaryReplay.objects.get()
    assert (replay.state, replay.replayed) == ("done", 2)
    assert Job.objects.filter(state=State.QUEUED).count() == 2


def test_an_edit_seals_the_whole_row_under_new_keys(session: sa.Connection) -> None:
    secret_version("s", input_schema=SCHEMA, options={"encrypt": True})
    job = dead_job("s", session)
    before = JobKey.objects.values("wrapped", "answer").get()
    replay_edited(job_id=job.id, actor="olga", text='{"text": "new"}')
    after = JobKey.objects.values("wrapped", "answer").get()
    assert (before["wrapped"], before["answer"]) != (after["wrapped"], after["answer"])
    assert run(session) == [job.id]
    view = job_view(job.id, client_id=None)
    assert view is not None
    assert (bytes(view["output"]), bytes(view["metadata"])) == (b'{"text":"new"}', b'{"m":1}')


def test_an_edit_with_a_key_that_no_worker_has_is_refused(
    version: str, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_keys()
    job = dead_job(version, session)
    text = read_payload(job_id=job.id, actor="olga").head.decode()
    use(monkeypatch, OLD, secret_key="another")
    with pytest.raises(DatabaseUnusableError, match="SECRET_KEY is not the one"):
        replay_edited(job_id=job.id, actor="olga", text=text)
    assert Job.objects.get(pk=job.id).state == "dead"


def test_no_patch_finds_out_or_carries_away_what_a_token_stands_for(
    version: str, session: sa.Connection
) -> None:
    job = dead_job(version, session)
    selection = DeadLetterFilter(model=job.model)
    guess = '[{"op": "test", "path": "/name", "value": "nobody"}]'
    (fault,) = try_edit(selection=selection, edit=GroupEdit(guess), most=1).faults
    assert secrets_in(fault[1]) == []
    carried = GroupEdit('[{"op": "copy", "from": "/name", "path": "/text"}]').edited(job.id)
    assert secrets_in(carried) == []
    assert json.loads(check_edit(job_id=job.id, text=carried).body)["text"] == vault.token(WHO)
