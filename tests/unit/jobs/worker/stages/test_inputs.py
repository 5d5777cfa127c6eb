"""What a few bytes of a job can make its worker read and hold: no more than the limits allow."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.conf import settings

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.canonical_json import canonical_bytes
from jobs.core.errors import PayloadUnreadableError
from jobs.core.failures import FailureKind
from jobs.core.payloads.job_keys import OF_CLIENT, OF_JOB
from jobs.core.payloads.pointer import StoredPayload, pointer_bytes
from jobs.core.states import State
from jobs.core.submission.file_references import Reference, stored_form
from jobs.payloads.job_seal import JobSeal
from jobs.services.lifecycle.claim import Claimed
from jobs.worker.stages.claimed_batch import ClaimedBatch, Refused
from jobs.worker.stages.claimer import Claimer
from jobs.worker.stages.privacy import Privacy
from models_registry.core.options import PlatformOptions
from models_registry.core.secrecy import Secrecy
from models_registry.loaders.builtin import Echo

MB = 1_000_000
REFERENCE = Reference("upload", "u")
TEXT = StoredPayload("2026-11-24/f", 2 * MB, "f" * 64, "text/plain")
VALUES = StoredPayload("2026-11-24/v", 4, "f" * 64)
ANY = {"type": ["array", "object"]}


class Store:
    """The objects of the storage, and how often each was read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.objects = {TEXT.name: b"x" * TEXT.size, VALUES.name: b"[{}]"}
        self.reads = Counter[str]()
        for reader in ("jobs.payloads.claim_check.get", "jobs.payloads.sealed_objects.get"):
            monkeypatch.setattr(reader, self.get)

    def get(self, stored: StoredPayload) -> bytes:
        self.reads[stored.name] += 1
        return self.objects[stored.name]

    def job(self, value: Any, file: StoredPayload, number: int = 1) -> Claimed:
        body = canonical_bytes(stored_form(value, {REFERENCE: file}))
        name = f"2026-11-24/b{number}"
        self.objects[name] = body
        row = pointer_bytes(StoredPayload(name, len(body), ""), [file])
        return Claimed(UUID(int=number), 1, 1, 3, row, None)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    return Store(monkeypatch)


def version(schema: Any = ANY) -> Any:
    options = PlatformOptions()
    return SimpleNamespace(
        id=5, model_id=1, model="m", loader="builtin", input_schema_text=json.dumps(schema),
        secrecy=Secrecy(), platform_options=options,
    )  # fmt: skip


def limited(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    monkeypatch.setattr(settings, "INFERENCE", dataclasses.replace(settings.INFERENCE, **limits))  # type: ignore[arg-type]


def test_a_file_is_read_once_a_batch_and_its_text_is_shared(store: Store) -> None:
    jobs = [store.job([{"$upload": "u"}] * 30, TEXT, number) for number in range(1, 4)]
    read = Privacy(version(), jobs)
    assert store.reads[TEXT.name] == 1
    texts = [text for item in read.items.values() for text in item.input]
    assert (len(texts), len(set(map(id, texts)))) == (90, 1)


def test_a_json_file_is_read_once_and_each_job_has_values_of_its_own(store: Store) -> None:
    read = Privacy(version(), [store.job([{"$upload": "u"}], VALUES, number) for number in (1, 2)])
    assert store.reads[VALUES.name] == 1
    first, second = (item.input[0][0] for item in read.items.values())
    assert first == second == {}
    assert first is not second


def test_a_file_that_was_read_is_shown_to_no_other_client(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_file(stored: StoredPayload, seal: JobSeal) -> tuple[StoredPayload, bytes]:
        if seal.identity.client != 1:
            raise PayloadUnreadableError("its key is another client's")
        return TEXT, store.get(stored)

    monkeypatch.setattr("jobs.worker.stages.inputs.get_file", get_file)
    sealed = msgspec.structs.replace(TEXT, encoding=OF_CLIENT, key=b"k")
    jobs = [
        msgspec.structs.replace(store.job([{"$upload": "u"}], sealed, number), client=client)
        for number, client in ((1, 1), (2, 1), (3, 2))
    ]
    read = Privacy(version(), jobs)
    assert (list(read.items), read.unread[2].code) == ([0, 1], "payload_unreadable")
    assert store.reads[TEXT.name] == 1


def test_a_file_that_is_sealed_for_its_job_is_opened_by_that_job(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = list[UUID]()

    def get_file(stored: StoredPayload, seal: JobSeal) -> tuple[StoredPayload, bytes]:
        opened.append(seal.identity.job)
        return TEXT, store.get(stored)

    monkeypatch.setattr("jobs.worker.stages.inputs.get_file", get_file)
    sealed = msgspec.structs.replace(TEXT, encoding=OF_JOB, key=b"k")
    jobs = [store.job([{"$upload": "u"}] * 2, sealed, number) for number in (1, 2)]
    assert len(Privacy(version(), jobs).items) == 2
    assert opened == [job.job for job in jobs]


def test_the_seal_of_a_file_does_not_count_against_the_limit(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.worker.stages.inputs.get_file", lambda stored, _: (TEXT, store.get(stored)))
    sealed = msgspec.structs.replace(TEXT, size=TEXT.size + 16 + 2 * 28, encoding=OF_JOB, key=b"k")
    job = store.job([{"$upload": "u"}], sealed)
    body = canonical_bytes(stored_form([{"$upload": "u"}], {REFERENCE: TEXT}))
    store.objects["2026-11-24/b1"] = body
    row = pointer_bytes(StoredPayload("2026-11-24/b1", len(body), ""), [sealed])
    limited(monkeypatch, max_resolved_bytes=TEXT.size + len(body))
    assert list(Privacy(version(), [msgspec.structs.replace(job, body=row)]).items) == [0]


def test_an_input_that_is_too_large_is_invalid_before_its_file_is_read(store: Store) -> None:
    read = Privacy(version(), [store.job([{"$upload": "u"}] * 400, TEXT), store.job([], TEXT, 2)])
    failure = read.unread[0]
    assert (failure.kind, failure.code) == (FailureKind.INVALID, "input_too_large")
    assert "at most 150000000" in failure.message
    assert (store.reads[TEXT.name], list(read.items)) == (0, [1])  # the other job of the batch runs


def test_a_file_that_only_its_pointer_makes_large_is_not_read(store: Store) -> None:
    huge = StoredPayload(TEXT.name, 10**10, TEXT.sha256, TEXT.content_type)
    job = store.job([{"$upload": "u"}], TEXT)
    row = pointer_bytes(StoredPayload("2026-11-24/b1", len(store.objects["2026-11-24/b1"]), ""), [huge])
    read = Privacy(version(), [Claimed(job.job, 1, 1, 3, row, None)])
    assert (read.unread[0].code, store.reads[TEXT.name]) == ("input_too_large", 0)


def test_a_body_that_is_too_large_is_not_read(store: Store) -> None:
    row = pointer_bytes(StoredPayload("2026-11-24/b9", 10**10, ""))
    read = Privacy(version(), [Claimed(UUID(int=9), 1, 1, 3, row, None)])
    assert (read.unread[0].code, store.reads.total()) == ("input_too_large", 0)


def test_the_schema_is_checked_before_a_file_is_read(store: Store) -> None:
    job = store.job([{"$upload": "u"}] * 30, TEXT)
    read = Privacy(version({"type": "object"}), [job])
    assert (read.unread[0].code, store.reads[TEXT.name]) == ("invalid_input", 0)


def test_a_dense_json_file_is_not_decoded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, max_resolved_bytes=60_000)
    dense = StoredPayload("2026-11-24/d", 30_001, "d" * 64)
    store.objects[dense.name] = b"[" + b"[]," * 9_999 + b"[]]"
    read = Privacy(version(), [store.job([{"$upload": "u"}], dense)])
    assert (read.unread[0].code, store.reads[dense.name]) == ("input_too_large", 1)


def test_a_batch_holds_no_more_bytes_than_it_may_whatever_its_messages_say(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, batch_input_bytes=9 * MB)
    read = Privacy(version(), [store.job([{"$upload": "u"}] * 2, TEXT, number) for number in range(1, 6)])
    assert (list(read.items), read.unread, read.full_at) == ([0, 1], {}, 2)
    limited(monkeypatch, batch_input_bytes=1)
    read = Privacy(version(), [store.job([{"$upload": "u"}] * 2, TEXT, number) for number in (1, 2)])
    assert (list(read.items), read.full_at) == ([0], 1)  # one that is larger runs alone


def test_jobs_that_do_not_fit_are_given_back_uncharged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, batch_input_bytes=9 * MB)
    given_back, busy = list[Any](), list[float | None]()

    def release(_connection: Any, *, batch: UUID, jobs: Any, isolation_group: int) -> list[UUID]:
        given_back.append((batch, jobs, isolation_group))
        busy.append(claimed.busy_since)
        return [job for job, _ in jobs if job != UUID(int=4)]  # the row of the fourth is locked

    monkeypatch.setattr("jobs.worker.stages.claimer.release", release)
    monkeypatch.setattr("jobs.worker.stages.claimer.persist", lambda _engine, call, **_: call(None, 0))
    jobs = [store.job([{"$upload": "u"}] * 2, TEXT, number) for number in range(1, 6)]
    deliveries: list[Any] = [SimpleNamespace(job=job.job, units=1) for job in jobs]
    claimed = batch = ClaimedBatch(UUID(int=9), 5, 5, SealReason.FULL, list(deliveries), jobs=list(jobs))
    batch.busy_since = 1.0
    loaded: Any = SimpleNamespace(runner=Echo(), info=version())
    batch.loaded = loaded
    claimer: Any = Claimer.__new__(Claimer)
    claimer._engine, claimer._stopping = None, lambda: False
    refused = claimer.prepare(batch)
    assert given_back == [(batch.id, [(job.job, job.epoch) for job in jobs[2:]], 0)]
    assert refused == [Refused(deliveries[2], State.QUEUED), Refused(deliveries[4], State.QUEUED)]
    assert (batch.jobs, batch.deliveries) == (
        [jobs[0], jobs[1], jobs[3]],
        [deliveries[at] for at in (0, 1, 3)],
    )
    assert batch.padded_size == 3
    assert busy == [None]  # a slow database is not a batch that hangs
    assert batch.busy_since is not None
    assert batch.busy_since > 1.0
    assert batch.privacy is not None
    assert [len(piece.items) for piece in batch.pieces] == [2]
    assert batch.privacy.unread[2].code == "batch_full"
    assert batch.privacy.unread[2].kind is FailureKind.TRANSIENT


def test_a_model_that_takes_files_gets_their_bytes_once_and_values_of_json(store: Store) -> None:
    jobs = [store.job({"image": {"$upload": "u"}}, TEXT, number) for number in (1, 2)]
    schema = {"properties": {"image": {"type": "string", "minLength": 9}}, "required": ["image"]}
    read = Privacy(version(schema), jobs, as_files=True)
    first, second = (item.input["image"] for item in read.items.values())
    assert first is second
    assert (first.media_type, len(first.body), store.reads[TEXT.name]) == ("text/plain", TEXT.size, 1)
    (item,) = Privacy(version(), [store.job([{"$upload": "u"}], VALUES)], as_files=True).items.values()
    assert item.input == [[{}]]


@pytest.mark.parametrize(("file", "kind"), [(TEXT, "array"), (VALUES, "string")])
def test_the_schema_holds_for_models_that_take_files_too(store: Store, file: Any, kind: str) -> None:
    job = store.job([{"$upload": "u"}], file)
    read = Privacy(version({"items": {"type": kind}}), [job], as_files=True)
    assert read.unread[0].code == "invalid_input"
