from __future__ import annotations

import logging
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from jobs.db.statement import run
from jobs.services.admission import horizon_watch
from jobs.services.admission.horizon_watch import MOST_NAMES, HorizonWatch
from jobs.services.reads.horizon import HOLDER, HorizonHolder
from tests.support.churn import open_snapshot


def age_s(application: str) -> Any:
    return REGISTRY.get_sample_value("inference_database_horizon_seconds", {"application": application})


def test_the_oldest_transaction_is_named(db: str, session: sa.Connection) -> None:
    with open_snapshot(db, name="pg_dump") as pid, open_snapshot(db, name="a younger one"):
        (holder,) = run(session, HOLDER)
        assert (holder.pid, holder.application, holder.state) == (pid, "pg_dump", "idle in transaction")
        assert holder.age_s >= 0


def test_its_age_is_a_metric_until_it_ends_and_an_old_one_is_logged(
    db: str, session: sa.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(horizon_watch, "OLD_S", 0.0)
    seconds = iter(range(1_000, 2_000, 10))
    watch = HorizonWatch(clock=lambda: next(seconds))
    with caplog.at_level(logging.WARNING), open_snapshot(db, name="a forgotten console") as pid:
        watch.look(session)
        watch.look(session)
    assert age_s("a forgotten console") > 0
    assert REGISTRY.get_sample_value("inference_database_horizon_pid") == pid
    assert [f"process {pid} (a forgotten console" in record.message for record in caplog.records] == [True]
    watch.look(session)
    assert age_s("a forgotten console") == 0


def test_names_that_clients_choose_are_a_bounded_number_of_labels() -> None:
    watch = HorizonWatch()
    for number in range(3 * MOST_NAMES):
        watch._measure(HorizonHolder(1, f"app-{number}", "user", "active", 5.0))
    assert len(watch._names) == MOST_NAMES + 1
    assert age_s("other") == 5.0
