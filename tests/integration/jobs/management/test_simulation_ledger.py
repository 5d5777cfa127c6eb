"""The simulator counts the same batches as the surveyor's statement."""

from __future__ import annotations

import random
from dataclasses import astuple
from datetime import UTC, datetime, timedelta

import pytest

from jobs.core.admission.drain_rate import RecentRuns
from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.ids import uuid7
from jobs.core.simulation.ledger import Ledger, LedgerRow
from jobs.db.session import open_session, transaction
from jobs.models import Batch
from jobs.services.admission import survey_statements
from tests.support.factories import make_version, make_worker

SINCE_S = 0.5
LIMITS = (BatchLimits(10), BatchLimits(32, 400))


@pytest.mark.parametrize("sizes", [(1, 10), (4, 4)], ids=["sizes that differ", "one size"])
def test_the_ledger_and_the_statement_count_alike(db: str, sizes: tuple[int, int]) -> None:
    rows = [_row(random.Random(number), sizes) for number in range(60)]
    with open_session() as session, transaction(session):  # in one transaction now() stays the same
        now = session.exec_driver_sql("SELECT extract(epoch FROM now())::float8").scalar_one()
        _store(rows, now)
        counted = survey_statements.ledger(session, since_s=SINCE_S)["echo"]
    ledger = Ledger(dict(enumerate(LIMITS)))
    for row in sorted(rows, key=lambda row: row.finished_s or 0.0):
        ledger.open(row)
        if row.finished_s:
            ledger.close(row)
    simulated = ledger.count(0.0, since_s=SINCE_S)
    assert (simulated.running, simulated.ended) == (counted.running, counted.ended)
    assert counted.running
    assert counted.ended
    assert _figures(simulated.runs) == pytest.approx(_figures(counted.runs), rel=1e-4)


def _figures(runs: RecentRuns | None) -> list[float]:
    assert runs is not None
    return [-1.0 if value is None else value for value in astuple(runs)]


def _row(chance: random.Random, sizes: tuple[int, int]) -> LedgerRow:
    """Return a batch before time 0; an eighth are open, and two of them for too long to be seen."""
    size, claimed_s = chance.randint(*sizes), -(chance.uniform(0.2, 110.0) ** chance.choice([0.2, 1.0]))
    row = LedgerRow(chance.randint(0, 1), size, size * 7, claimed_s)
    if chance.random() > 1 / 8:
        row.ran_s = 0.04 + 0.003 * size + chance.uniform(0.0, 0.01)
        row.finished_s = claimed_s * chance.random() - 0.001
    return row


def _store(rows: list[LedgerRow], now: float) -> None:
    worker = make_worker()
    versions = [
        make_version("echo", str(n), max_batch=limits.max_batch, max_padded_size=limits.max_padded_size)
        for n, limits in enumerate(LIMITS)
    ]
    Batch.objects.bulk_create(
        Batch(
            id=uuid7(int((now + row.claimed_s) * 1000), number),
            worker=worker,
            version=versions[row.version],
            members=[],
            size=row.size,
            padded_size=row.padded_size,
            seal_reason="full",
            claimed_at=_time(now + row.claimed_s),
            finished_at=_time(now + row.finished_s) if row.finished_s else None,
            ran_s=row.ran_s or None,
        )
        for number, row in enumerate(rows)
    )


def _time(unix_s: float) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=unix_s)
