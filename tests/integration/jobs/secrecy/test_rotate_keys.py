"""Rotation seals under the first key what older keys sealed, while jobs run."""

from __future__ import annotations

from io import StringIO
from threading import Event as Flag
from threading import Thread, local

import pytest
import sqlalchemy as sa
from django.core.management import CommandError, call_command
from django.db import connections

from jobs.checks import NO_KEY, check_payload_keys
from jobs.core.payloads.keyring import Column, Keyring, Place
from jobs.core.states import State
from jobs.core.submission.request import JobRequest
from jobs.db.session import open_session, transaction
from jobs.models import Event, Job, JobInput, JobResult
from jobs.payloads import vault
from jobs.services.dead_letters.payload import words_of
from jobs.services.reads.job_views import job_view
from jobs.services.retention import rotate_keys
from jobs.services.retention.rotate_keys import rotate_payload_keys
from jobs.services.submission.submit import submit_job
from models_registry.core.registry_errors import RegistrationError
from models_registry.services import register_version
from tests.support.factories import make_job
from tests.support.locks import wait_until_a_session_is_blocked
from tests.support.payload_keys import MODEL, NEW, OLD, SCHEMA, secret_version, submit, use
from tests.support.submit import owner
from tests.support.worker import raising, run

INPUT = {"text": "open-sesame"}


def encodings() -> set[str]:
    return {row.encoding for rows in (JobInput, JobResult) for row in rows.objects.all()}


def output(job_id: object) -> bytes:
    view = job_view(job_id, client_id=None)  # type: ignore[arg-type]
    assert view is not None
    return bytes(view["output"])


def test_a_model_s_sealed_words_are_sealed_again(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(INPUT)
    run(session, raising(lambda value: ValueError(f"cannot read {value}")))
    use(monkeypatch, NEW, OLD)
    assert rotate_payload_keys(actor="olga", batch=2).rows == 2  # the input, and the words
    use(monkeypatch, NEW)
    words = words_of(job.id)
    assert words is not None
    assert "cannot read" in words.message


@pytest.mark.parametrize("batch", [1, 2, 500])
def test_every_row_is_sealed_again_page_by_page_and_needs_the_old_key_no_more(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    jobs = [submit({"text": str(n)}, parameters={"p": n}, metadata={"m": n}) for n in range(3)]
    run(session)
    waiting = submit(INPUT)
    use(monkeypatch, NEW, OLD)
    report = rotate_payload_keys(actor="olga", batch=batch)
    assert (report.rows, report.looked_at, report.unreadable) == (7, 7, [])
    use(monkeypatch, NEW)
    assert encodings() == {"aesgcm:new"}
    assert [output(job.id) for job in jobs] == [b'{"text":"%d"}' % n for n in range(3)]
    assert run(session) == [waiting.id]
    event = Event.objects.get(kind="rotate_keys")
    assert (event.actor, event.detail) == ("olga", {"rows": 7, "unreadable": 0, "encoding": "aesgcm:new"})


def test_a_rotation_that_breaks_off_can_run_again(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        submit(INPUT)
    use(monkeypatch, NEW, OLD)
    rotate_row, seen = rotate_keys._rotate, list[int]()

    def breaks(*words: object) -> None:
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(1)
        rotate_row(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(rotate_keys, "_rotate", breaks)
    with pytest.raises(KeyboardInterrupt):
        rotate_payload_keys(actor="olga", batch=1)
    assert JobInput.objects.filter(encoding="aesgcm:new").count() == 2
    monkeypatch.setattr(rotate_keys, "_rotate", rotate_row)
    assert rotate_payload_keys(actor="olga", batch=1).rows == 2
    assert rotate_payload_keys(actor="olga", batch=1).rows == 0


def test_jobs_are_submitted_run_and_read_during_a_rotation(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, NEW, OLD)
    # Two processes with different first keys: each undoes the rotation of the other.
    rings, rotated = (Keyring(dict((OLD, NEW))), Keyring(dict((NEW, OLD)))), list[int]()
    errors, stop, here = list[BaseException](), Flag(), local()
    monkeypatch.setattr(vault, "keyring", lambda: getattr(here, "ring", rings[1]))

    def rotate() -> None:
        try:
            while not stop.is_set():
                for here.ring in rings:
                    rotated.append(rotate_payload_keys(actor="olga", batch=3).rows)
        except BaseException as error:  # noqa: BLE001  # told by the test
            errors.append(error)
        finally:
            connections.close_all()

    thread = Thread(target=rotate)
    thread.start()
    try:
        jobs = []
        for n in range(30):
            jobs += [submit({"text": f"{n}-{k}"}, parameters={"p": k}) for k in range(3)]
            run(session)
            assert output(jobs[-1].id) == b'{"text":"%d-2"}' % n
    finally:
        stop.set()
        thread.join(60)
    assert not errors
    assert sum(rotated) > 0
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}
    rotate_payload_keys(actor="olga", batch=500)
    monkeypatch.setattr(vault, "keyring", lambda: Keyring(dict((NEW,))))
    assert [output(job.id) for job in jobs] == [
        b'{"text":"%d-%d"}' % (n, k) for n in range(30) for k in range(3)
    ]


def test_a_rotation_keeps_an_edit_made_in_the_meantime(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit({"text": "before"})
    mended = vault.seal(b'{"text":"mended"}', Place(job.id, Column.INPUT))
    use(monkeypatch, NEW, OLD)
    counts = list[int]()

    def rotate() -> None:
        counts.append(rotate_payload_keys(actor="olga", batch=10).rows)
        connections.close_all()

    with open_session() as other, transaction(other):
        mend = sa.text("UPDATE jobs_jobinput SET body = :body WHERE job_id = :job")
        other.execute(mend, {"body": mended, "job": job.id})
        thread = Thread(target=rotate)
        thread.start()
        wait_until_a_session_is_blocked()
    thread.join(60)
    assert counts == [1]
    run(session)
    assert output(job.id) == b'{"text":"mended"}'


def test_a_copied_result_is_sealed_again_like_its_source(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_version("2", options={"encrypt": True, "cache_ttl_s": 60})
    request = JobRequest(model=f"{MODEL}:2", input=INPUT)
    submit_job(owner=owner(), request=request)
    run(session)
    hit = submit_job(owner=owner(), request=request)
    use(monkeypatch, NEW, OLD)
    assert rotate_payload_keys(actor="olga", batch=10).rows == 4
    use(monkeypatch, NEW)
    assert output(hit.id) == b'{"text":"open-sesame"}'


def test_a_rotation_does_not_wait_for_a_locked_job(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(INPUT)
    use(monkeypatch, NEW, OLD)
    with open_session() as other, transaction(other):
        other.execute(sa.text("SELECT FROM jobs_job WHERE id = :id FOR UPDATE"), {"id": job.id})
        assert rotate_payload_keys(actor="olga", batch=10).rows == 1


def test_unreadable_rows_stay_and_are_named_and_plain_ones_are_skipped(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, good = submit(INPUT), submit(INPUT)
    JobInput.objects.filter(pk=lost.id).update(body=b"no ciphertext at all, and long enough")
    plain = make_job(state=State.SUCCEEDED)
    use(monkeypatch, NEW, OLD)
    with pytest.raises(CommandError, match=f"1 rows cannot be read and were not changed: {lost.id}"):
        call_command("rotate_payload_keys", stdout=StringIO())
    states = dict(JobInput.objects.values_list("pk", "encoding"))
    assert states == {lost.id: "aesgcm:old", good.id: "aesgcm:new", plain.pk: "identity"}


def test_the_command_prints_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    submit(INPUT)
    use(monkeypatch, NEW, OLD)
    out = StringIO()
    call_command("rotate_payload_keys", "--batch", "1", "--rate", "1000", stdout=out)
    assert out.getvalue() == "1 of 1 rows were encrypted again.\n"
    use(monkeypatch)
    with pytest.raises(CommandError, match="no encryption key is configured"):
        call_command("rotate_payload_keys")
    with pytest.raises(CommandError, match="above zero"):
        call_command("rotate_payload_keys", "--batch", "0")


def test_many_bytes_take_several_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        submit(INPUT)
    use(monkeypatch, NEW, OLD)
    monkeypatch.setattr(rotate_keys, "MOST_BYTES", 50)
    pages = list(rotate_keys._pages(rotate_keys._INPUTS, "aesgcm:new", 500, rotate_keys.Rotated()))
    assert [len(page) for page in pages] == [1, 1, 1]


@pytest.fixture
def keyless(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)


def test_a_version_that_encrypts_is_not_registered_without_a_key(keyless: None) -> None:
    about = {"name": "hush", "version": "1", "loader": "entry_point", "artifact": "models_registry.x:y"}
    with pytest.raises(RegistrationError, match="PAYLOAD_KEYS"):
        register_version(**about, options={"encrypt": True}, input_schema=SCHEMA)
    with pytest.raises(RegistrationError, match="encrypt is 1; it must be true or false"):
        register_version(**about, options={"encrypt": 1})


def test_a_database_check_reports_a_missing_key(keyless: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_payload_keys() == []
    (error,) = check_payload_keys(databases=["default"])
    assert (error.id, error.msg) == (
        NO_KEY,
        "PAYLOAD_KEYS is not set, and these versions are encrypted: secret:1.",
    )
    use(monkeypatch, OLD)
    assert check_payload_keys(databases=["default"]) == []
