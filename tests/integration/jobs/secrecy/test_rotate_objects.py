"""Rotation seals large payloads in the storage again, and loses none on the way."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa
from django.test import Client

from jobs.core.errors import PayloadKeyMissingError
from jobs.core.payloads.keyring import Column, Place
from jobs.db.statement import Statement, execute
from jobs.models import JobInput, JobResult
from jobs.payloads import vault
from jobs.payloads.claim_check import load_payload
from jobs.services.access.owner import forget_owners
from jobs.services.access.tokens import create_token
from jobs.services.retention import rotate_keys
from jobs.services.retention.delete_objects import forget_payloads
from jobs.services.retention.rotate_keys import rotate_payload_keys
from tests.integration.jobs.secrecy.stored_objects import aged, backdate, names, point, pointer
from tests.support.payload_keys import NEW, OLD, submit, use
from tests.support.worker import claim_due, run

TEXT = "open-sesame" * 10_000
ROWS: tuple[Any, ...] = (JobInput, JobResult)


@pytest.fixture(autouse=True)
def storage(site: None, folder: Path) -> Path:
    return folder


def answered(session: sa.Connection) -> UUID:
    """Return a job whose large input and output were sealed and stored long ago."""
    job = submit({"text": TEXT}, metadata={"m": 1})
    run(session)
    return job.id


def aged_rows(folder: Path, job_id: UUID) -> list[str]:
    return [aged(folder, job_id, rows).name for rows in ROWS]


def output(job_id: UUID) -> Any:
    forget_owners()
    token = create_token(client="tests")
    view = Client(headers={"Authorization": f"Bearer {token}"}).get(f"/api/v1/jobs/{job_id}").json()
    return view["output"]


def rotate(monkeypatch: pytest.MonkeyPatch) -> Any:
    use(monkeypatch, NEW, OLD)
    return rotate_payload_keys(actor="olga", batch=10)


def test_an_object_is_sealed_under_the_first_key_and_its_owner_reads_the_same(
    folder: Path, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = answered(session)
    assert rotate(monkeypatch).rows == 2
    for rows, column in zip(ROWS, (Column.INPUT, Column.RESULT), strict=True):
        target, row = pointer(job_id, rows), rows.objects.get(pk=job_id)
        body = (folder / target.name).read_bytes()
        assert (sha256(body).hexdigest(), len(body), row.encoding) == (
            target.sha256,
            target.size,
            "aesgcm:new",
        )
        place = Place(job_id, column)
        assert b"open-sesame" in vault.unseal(body, "aesgcm:new", place)
        use(monkeypatch, OLD)
        with pytest.raises(PayloadKeyMissingError):
            vault.unseal(body, "aesgcm:new", place)
        use(monkeypatch, NEW)
    assert output(job_id) == {"text": TEXT}


def test_a_replaced_object_is_kept_for_a_day_for_earlier_readers(
    folder: Path, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = answered(session)
    old, waiting = aged_rows(folder, job_id), submit({"text": TEXT})
    old.append(aged(folder, waiting.id).name)
    work = claim_due(session)
    rotate(monkeypatch)
    assert forget_payloads(grace_h=1) == 0
    (late,) = work.jobs
    assert load_payload(late.body)  # as a worker does that claimed the job before
    for rows in ROWS:
        aged(folder, job_id, rows)
    aged(folder, waiting.id)
    assert forget_payloads(grace_h=1) == 3
    assert not set(old) & set(names(folder))
    assert output(job_id) == {"text": TEXT}


def test_objects_replaced_by_a_second_rotation_are_deleted_too(
    folder: Path, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = answered(session)
    aged_rows(folder, job_id)
    rotate(monkeypatch)
    second = aged_rows(folder, job_id)
    use(monkeypatch, OLD, NEW)
    assert rotate_payload_keys(actor="olga", batch=10).rows == 2
    assert forget_payloads(grace_h=1) == 2
    assert set(second) < set(names(folder))
    assert output(job_id) == {"text": TEXT}


@pytest.mark.parametrize("at", ["write", "_sealed_again", "note"])
def test_a_rotation_that_dies_between_steps_loses_nothing_and_the_next_one_finishes(
    folder: Path, session: sa.Connection, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    job_id = answered(session)
    before = {rows: bytes(rows.objects.get(pk=job_id).body) for rows in ROWS}
    with monkeypatch.context() as broken:
        break_at(broken, at)
        with pytest.raises(KeyboardInterrupt):
            rotate(monkeypatch)
    if at != "note":
        assert {rows: bytes(rows.objects.get(pk=job_id).body) for rows in ROWS} == before
    assert output(job_id) == {"text": TEXT}
    assert rotate(monkeypatch).rows == (0 if at == "note" else 2)
    use(monkeypatch, NEW)
    assert output(job_id) == {"text": TEXT}
    orphans = {*names(folder)} - {name for rows in ROWS for name in used(job_id, rows)}
    for name in orphans:
        backdate(folder, name)
    assert forget_payloads(grace_h=1) == len(orphans) == {"write": 1, "_sealed_again": 0, "note": 0}[at]


def break_at(broken: pytest.MonkeyPatch, at: str) -> None:
    def dies(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    def writes(statement: Statement[Any], *words: Any) -> Any:
        return dies() if statement.sql.lstrip().startswith("UPDATE") else execute(statement, *words)

    name, broken_off = ("execute", writes) if at == "write" else (at, dies)
    broken.setattr(f"jobs.services.retention.rotate_keys.{name}", broken_off)


def used(job_id: UUID, rows: Any) -> list[str]:
    target = pointer(job_id, rows)
    return [*target.names, *target.before]


def test_a_tampered_object_stays_and_is_named(
    folder: Path, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, other = answered(session), answered(session)
    target = pointer(victim, JobResult)
    (folder / target.name).write_bytes(b"changed")
    done = rotate(monkeypatch)
    assert (done.rows, done.unreadable) == (3, [victim])
    assert pointer(victim, JobResult) == target
    assert JobResult.objects.get(pk=victim).encoding == "aesgcm:old"
    assert output(other) == {"text": TEXT}


def test_a_full_storage_changes_nothing(session: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> str:
        raise OSError("no space left")

    job_id = answered(session)
    with monkeypatch.context() as broken:
        broken.setattr("jobs.payloads.file_storage.PayloadFiles._save", full)
        assert rotate(monkeypatch).unreadable == [job_id, job_id]
    assert output(job_id) == {"text": TEXT}
    assert rotate(monkeypatch).rows == 2
    assert output(job_id) == {"text": TEXT}


def test_an_object_of_another_job_is_not_accepted(
    folder: Path, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, donor = answered(session), answered(session)
    point(victim, pointer(donor, JobResult), JobResult)
    assert rotate(monkeypatch).unreadable == [victim]


def test_large_objects_and_files_count_among_the_bytes_of_a_transaction(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = (submit({"text": TEXT}) for _ in range(3))
    target = pointer(first.id)
    point(first.id, msgspec.structs.replace(target, files=(target,)))
    monkeypatch.setattr(rotate_keys, "MOST_BYTES", 2 * target.size + 1_000)
    pages = list(rotate_keys._pages(rotate_keys._INPUTS, "aesgcm:new", 500, rotate_keys.Rotated()))
    assert [len(page) for page in pages] == [1, 2]
