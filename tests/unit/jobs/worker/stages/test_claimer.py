"""A claimed batch is prepared with its version's own rules, also where the version cannot be loaded."""

from __future__ import annotations

import json
import sys
from collections.abc import Hashable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from jobs.core.batching.sealed_batch import SealedBatch, SealReason
from jobs.core.canonical_json import canonical_bytes
from jobs.core.errors import PayloadLostError, PayloadUnavailableError
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.messages.envelope import Envelope
from jobs.core.payloads.pointer import StoredPayload, pointer_bytes
from jobs.core.retry.policy import Bury, RetryAfter
from jobs.core.states import State
from jobs.core.submission.file_references import Reference, stored_form
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.standings import Standing
from jobs.worker.stages.claimed_batch import ClaimedBatch, Refused
from jobs.worker.stages.claimer import UNLOADED_S, Claimer
from jobs.worker.stages.execute import execute_all
from jobs.worker.stages.privacy import Privacy
from jobs.worker.stages.settler import verdicts_of
from models_registry.core.options import PlatformOptions, RetryRule
from models_registry.core.runner import Item, Runner
from models_registry.core.secrecy import Secrecy
from models_registry.loaders.builtin import Echo
from models_registry.loaders.fault_tables import EXPORT
from tests.support.no_rollouts import NO_ROLLOUTS

OPTIONS = PlatformOptions.of(
    {"batch_limit_s": 7, "retry": {"base_s": 3, "kinds": {"timeout": {"attempts": 2}}}}
)


class Pool:
    """Has the version, unless it is not `there`."""

    def __init__(self, runner: Runner | None = None, *, there: bool = True, rests_s: float = 0.0) -> None:
        self.runner, self.there, self.rests_s = runner or Echo(), there, rests_s

    def release(self, _version: int) -> None:
        self.holders = sys.getrefcount(self.runner)

    def has(self, _version: int) -> bool:
        return self.there

    def retry_in_s(self, _version: int) -> float:
        return self.rests_s

    def hold(self, version: int, *, promised: bool) -> Any:  # noqa: ARG002  # as of the pool
        if not self.there:
            return None
        info = SimpleNamespace(
            id=version, model_id=1, model="m", loader="export", platform_options=OPTIONS, secrecy=Secrecy()
        )
        return SimpleNamespace(runner=self.runner, info=info)


class Loads:
    """Takes up to one batch of deliveries that wait for a load."""

    def __init__(self) -> None:
        self.kept, self.used = list[Any](), list[int]()

    def keep(self, version: int, deliveries: Any) -> bool:
        if self.kept:
            return False
        self.kept.append((version, deliveries))
        return True

    def put_back_s(self, _version: int) -> float:
        return 3.0

    def promised(self, _version: int) -> bool:
        return False

    def taken(self, version: int) -> None:
        self.used.append(version)


def a_claimer(pool: Pool, loads: Loads | None = None, hold_s: Any = lambda *_: 0.0) -> Claimer:
    circuits = SimpleNamespace(hold_s=hold_s)
    return Claimer(None, UUID(int=1), pool, lambda: False, circuits, loads or Loads(), NO_ROLLOUTS)  # type: ignore[arg-type]  # no engine


def prepared() -> ClaimedBatch:
    claimer = a_claimer(Pool())
    work = ClaimedBatch(
        UUID(int=1), 5, 1, SealReason.FULL, [], jobs=[Claimed(UUID(int=2), 1, 1, 3, b"{}", None)]
    )
    assert claimer.lease(work)
    claimer.prepare(work)
    return work


def test_a_batch_runs_by_its_version_s_limit_policy_and_loader() -> None:
    work = prepared()
    assert (work.limit_s, work.table) == (7, EXPORT)
    assert work.retry.rule_for("timeout") == RetryRule(2, 3.0)


def test_a_batch_lets_go_of_its_model_before_its_version_may_leave() -> None:
    claimer = a_claimer(pool := Pool())
    before = sys.getrefcount(pool.runner)
    work = ClaimedBatch(
        UUID(int=1), 5, 1, SealReason.FULL, [], jobs=[Claimed(UUID(int=2), 1, 1, 3, b"{}", None)]
    )
    claimer.lease(work)
    claimer.prepare(work)
    claimer.done(work)
    assert (pool.holders, work.pieces) == (before, [])


def test_a_lost_input_fails_its_own_job_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        b'{"n":0}',
        pointer_bytes(StoredPayload("2026-11-24/lost", 1, "")),
        b'{"n":2}',
        pointer_bytes(LATER),
    ]
    monkeypatch.setattr("jobs.payloads.claim_check.get", _nothing_there)
    claimer = a_claimer(Pool())
    jobs = [Claimed(UUID(int=at), 1, 1, 3, body, None) for at, body in enumerate(rows)]
    work = ClaimedBatch(UUID(int=9), 5, 1, SealReason.FULL, [], jobs=jobs)
    assert claimer.lease(work)
    claimer.prepare(work)
    execute_all(work)
    verdicts = verdicts_of(work)
    assert [type(verdict.outcome) for verdict in verdicts] == [Success, Failure, Success, Failure]
    lost, later = verdicts[1], verdicts[3]
    assert isinstance(lost.outcome, Failure)
    assert isinstance(later.outcome, Failure)
    assert (lost.outcome.kind, lost.outcome.code) == (FailureKind.INVALID, "payload_lost")
    assert isinstance(lost.after, Bury)
    assert (later.outcome.kind, later.outcome.code) == (FailureKind.TRANSIENT, "payload_unavailable")
    assert isinstance(later.after, RetryAfter)


LATER = StoredPayload("2026-11-24/later", 1, "")


def _nothing_there(stored: StoredPayload) -> bytes:
    raise PayloadUnavailableError if stored.name == LATER.name else PayloadLostError


def test_an_input_s_files_are_put_in_and_checked_against_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    file = StoredPayload("2026-11-24/f", 2, "f" * 64, "text/plain")
    reference = Reference("upload", "u")
    body = canonical_bytes(stored_form({"text": {"$upload": "u"}}, {reference: file}))
    objects = {"2026-11-24/b": body, file.name: b"hi"}
    for reader in ("jobs.payloads.claim_check.get", "jobs.payloads.sealed_objects.get"):
        monkeypatch.setattr(reader, lambda stored: objects[stored.name])
    row = pointer_bytes(StoredPayload("2026-11-24/b", len(body), ""), [file])
    job = Claimed(UUID(int=2), 1, 1, 3, row, None)
    for kind, fits in (("string", True), ("integer", False)):
        schema = {"type": "object", "properties": {"text": {"type": kind}}}
        version: Any = SimpleNamespace(
            id=1, model_id=1, input_schema_text=json.dumps(schema), secrecy=Secrecy()
        )
        read = Privacy(version, [job])
        if fits:
            assert read.items == {0: Item({"text": "hi"})}
        else:
            unread = read.unread[0]
            assert (unread.kind, unread.code) == (FailureKind.INVALID, "invalid_input")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, float]]:
    """Let nothing be claimed, and return what is put back, and for how long."""
    held = list[tuple[Any, float]]()

    def hold(_connection: Any, envelopes: Any, hold_s: float) -> bool:
        held.append((envelopes, hold_s))
        return True

    monkeypatch.setattr("jobs.worker.stages.claimer.hold", hold)
    monkeypatch.setattr("jobs.worker.stages.claimer.standings", all_claimable)
    monkeypatch.setattr("jobs.worker.stages.claimer.persist", lambda _engine, call, **_: call(None, 0))
    monkeypatch.setattr("jobs.worker.stages.claimer.store.claim", None)  # so that to call it fails
    return held


def test_nothing_is_claimed_of_a_version_that_this_worker_cannot_load(held: list[Any]) -> None:
    (delivery, envelope), loads = a_delivery(client=7), Loads()
    claimer = a_claimer(Pool(there=False, rests_s=9.0), loads)
    batch, refused = claimer.claim(SealedBatch(5, [delivery], 1, SealReason.FULL, 0.0))
    assert (batch.jobs, batch.loaded, loads.kept) == ([], None, [])
    assert refused == [Refused(delivery, State.QUEUED)]
    assert held == [([envelope], UNLOADED_S)]


def test_a_batch_waits_here_for_its_load_and_what_comes_after_is_put_back(held: list[Any]) -> None:
    (first, _), (second, later), loads = a_delivery(client=7), a_delivery(client=8), Loads()
    claimer = a_claimer(Pool(there=False), loads)
    batch, refused = claimer.claim(SealedBatch(5, [first], 1, SealReason.FULL, 0.0))
    assert (batch.jobs, refused, held, loads.kept) == ([], [], [], [(5, [first])])
    batch, refused = claimer.claim(SealedBatch(5, [second], 1, SealReason.FULL, 0.0))
    assert (batch.jobs, refused) == ([], [Refused(second, State.QUEUED)])
    assert held == [([later], 3.0)]
    assert loads.used == []


def test_a_held_client_s_deliveries_are_put_back_and_the_others_are_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held, claimed = list[Any](), list[Any]()

    def hold(_connection: Any, envelopes: Any, hold_s: float) -> bool:
        held.append((envelopes, hold_s))
        return True

    def claim(_connection: Any, *, batch: Any, envelopes: Any, buffered_s: Any) -> list[Claimed]:
        claimed.extend(envelopes)
        return [Claimed(envelope.job, 1, 1, 3, b"{}", None, client=envelope.client) for envelope in envelopes]

    monkeypatch.setattr("jobs.worker.stages.claimer.hold", hold)
    monkeypatch.setattr("jobs.worker.stages.claimer.standings", all_claimable)
    monkeypatch.setattr("jobs.worker.stages.claimer.persist", lambda _engine, call, **_: call(None, 0))
    monkeypatch.setattr("jobs.worker.stages.claimer.try_once", lambda _statements, call, **_: call(None))
    monkeypatch.setattr("jobs.worker.stages.claimer.store.claim", claim)
    (noisy, bad), (quiet, good) = a_delivery(client=7), a_delivery(client=8)
    claimer = a_claimer(Pool(), hold_s=lambda _version, client: 9.0 if client == 7 else 0.0)
    sealed = SealedBatch(5, [noisy, quiet], 2, SealReason.FULL, 0.0)
    batch, refused = claimer.claim(sealed)
    assert (batch.deliveries, claimed) == ([quiet], [good])
    assert refused == [Refused(noisy, State.QUEUED)]
    assert held == [([bad], 9.0)]


def all_claimable(_connection: Any, *, pointers: Any) -> list[Standing]:
    return [Standing(State.QUEUED, claimable=True) for _ in pointers]


def a_delivery(client: int) -> tuple[Any, Envelope]:
    envelope = Envelope(UUID(int=client), 0, 5, 4, client=client)
    parcel: Any = SimpleNamespace(received_at=0.0, model="m")
    names = {"envelope": envelope, "job": envelope.job, "parcel": parcel, "pointer": None, "slow": False}
    return SimpleNamespace(**names), envelope


def test_an_input_whose_key_cannot_be_made_fails_alone() -> None:
    class Picky(Echo):
        def key(self, item: Item) -> Hashable:
            if item.input["n"] == 1:
                raise SystemExit(3)
            return ()

    claimer = a_claimer(Pool(Picky()))
    jobs = [Claimed(UUID(int=at), 1, 1, 3, b'{"n":%d}' % at, None) for at in range(3)]
    work = ClaimedBatch(UUID(int=9), 5, 1, SealReason.FULL, [], jobs=jobs)
    assert claimer.lease(work)
    claimer.prepare(work)
    execute_all(work)
    assert [type(verdict.outcome) for verdict in verdicts_of(work)] == [Success, Failure, Success]
