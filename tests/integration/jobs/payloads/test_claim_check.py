"""Large inputs and outputs lie in the storage, and are read back unchanged or as an error."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from celery import Celery
from celery.result import AsyncResult
from django.conf import settings

from inference_client.job_failed import JobFailedError
from jobs.core.errors import PayloadCorruptError, PayloadLostError
from jobs.core.failures import Success
from jobs.core.payloads.pointer import is_pointer, pointer_of
from jobs.core.states import State
from jobs.db.engine import engine
from jobs.models import JobInput, JobResult
from jobs.payloads.claim_check import load_payload, store_payload
from jobs.payloads.file_storage import PayloadFiles
from jobs.payloads.object_store import get, head, put, put_stream
from jobs.services.lifecycle import settle
from jobs.services.lifecycle.settle import Verdict
from jobs.services.reads.job_views import job_view
from jobs.services.reads.lineage import lineage
from jobs.services.retention.delete_objects import forget_payloads
from jobs.services.reuse import settle_followers
from tests.support.factories import make_job

BIG = json.dumps({"text": "é" * 70_000}, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("jobs.payloads.object_store.storage", lambda: PayloadFiles(location=tmp_path))
    return tmp_path


def objects(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_stored_body_is_read_back_and_lies_under_its_day(folder: Path) -> None:
    stored = put(BIG)
    assert get(stored) == BIG
    assert head(stored, 10) == BIG[:10]
    (file,) = objects(folder)
    assert (file.parent.name, file.read_bytes()) == (stored.name[:10], BIG)


def test_equal_bodies_are_objects_of_their_own() -> None:
    assert put(b"same").name != put(b"same").name


def test_a_small_body_is_its_own_row_and_touches_no_storage(folder: Path) -> None:
    small = b"x" * settings.INFERENCE.claim_check_bytes
    assert store_payload(small) is small
    assert load_payload(small) is small
    assert not objects(folder)
    assert is_pointer(store_payload(small + b"x"))


@pytest.mark.parametrize("damage", [b"", BIG[:-1], BIG + b" ", b"X" + BIG[1:]])
def test_a_changed_object_is_detected(folder: Path, damage: bytes) -> None:
    row = store_payload(BIG)
    objects(folder)[0].write_bytes(damage)
    with pytest.raises(PayloadCorruptError):
        load_payload(row)
    with pytest.raises(PayloadCorruptError):
        head(pointer_of(row), 5)


def test_a_missing_object_is_lost(folder: Path) -> None:
    row = store_payload(BIG)
    objects(folder)[0].unlink()
    with pytest.raises(PayloadLostError):
        load_payload(row)


def test_a_failed_write_leaves_no_object(folder: Path) -> None:
    class Breaks:
        def read(self, _size: int) -> bytes:
            raise PayloadLostError("on the way")

    with pytest.raises(PayloadLostError, match="on the way"):
        put_stream(Breaks(), content_type="text/plain")  # type: ignore[arg-type]
    assert not objects(folder)


def settled(body: bytes) -> UUID:
    job = make_job(state=State.RUNNING)
    with engine().begin() as connection:
        verdict = Verdict(job.id, 1, Success(store_payload(body)))
        settle.settle(connection, batch=UUID(str(job.batch_id)), verdicts=[verdict])
    return job.id


def test_the_api_and_celery_read_a_large_output(db: str) -> None:
    job_id = settled(BIG)
    assert is_pointer(bytes(JobResult.objects.get(pk=job_id).body))
    view = job_view(job_id, client_id=None)
    assert view is not None
    assert bytes(view["output"]) == BIG
    assert result_of(job_id, db).get(timeout=5) == json.loads(BIG)


def test_a_lost_output_is_an_error_and_never_another_output(db: str, folder: Path) -> None:
    job_id = settled(BIG)
    objects(folder)[0].unlink()
    view = job_view(job_id, client_id=None)
    assert view is not None
    assert "output" not in view
    assert (view["state"], view["error"]["code"]) == ("succeeded", "payload_lost")
    with pytest.raises(JobFailedError, match="payload_lost"):
        result_of(job_id, db).get(timeout=5)


def result_of(job_id: UUID, db: str) -> AsyncResult:
    app = Celery("client", backend=f"jobs.result_backend:JobBackend+{db}", broker="memory://")
    return AsyncResult(str(job_id), app=app)


def test_a_lineage_has_the_digest_of_a_body_in_the_row_or_the_storage(db: str) -> None:
    for body in (BIG, b"1"):
        job_id = settled(body)
        row = lineage(job_id, client_id=None)
        assert row is not None
        assert row["output"]["sha256"] == put(body).sha256
    stored = store_payload(BIG)
    JobInput.objects.filter(pk=job_id).update(body=stored)
    row = lineage(job_id, client_id=None)
    assert row is not None
    assert row["input"]["sha256"] == pointer_of(stored).sha256


def test_a_follower_s_copy_points_at_the_same_object(db: str, folder: Path) -> None:
    leader = settled(BIG)
    follower = make_job()
    with engine().begin() as connection:
        connection.execute(sa.text("DELETE FROM jobs_outbox"))
        connection.execute(
            sa.text(
                "INSERT INTO jobs_follower (job_id, leader, key, priority) VALUES (:job, :leader, :key, 4)"
            ),
            {"job": follower.id, "leader": leader, "key": b"k" * 32},
        )
        assert settle_followers.land(connection, leader).succeeded == 1
    view: Any = job_view(follower.id, client_id=None)
    assert (bytes(view["output"]), view["cached_from"]) == (BIG, leader)
    assert len(objects(folder)) == 1


def test_only_old_objects_without_a_pointer_are_deleted(db: str, folder: Path) -> None:
    settled(BIG)
    paths = objects(folder)
    orphan = put(b"nobody's")
    assert forget_payloads(grace_h=1) == 0
    for path in objects(folder):
        old = folder / "2020-01-01" / path.name
        old.parent.mkdir(exist_ok=True)
        path.rename(old)
    row = JobResult.objects.get()
    JobResult.objects.update(body=bytes(row.body).replace(paths[0].parent.name.encode(), b"2020-01-01"))
    assert forget_payloads(grace_h=1) == 1
    assert [path.name for path in objects(folder)] == [paths[0].name]
    assert orphan.name[11:] != paths[0].name
