"""What the report of an A/B test reads, and that it is given up where there is too much of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import Client

from jobs.core.ab_tests.feedback_request import LARGEST_VALUE
from jobs.core.ids import first_id_at
from jobs.db.statement import Statement
from jobs.management.rollouts.ab_printed import ab_text
from jobs.services.ab_tests.ab_page import ab_page
from jobs.services.ab_tests.count_ab import JOBS, LABELS, NUMBERS, WITH_FEEDBACK
from jobs.services.ab_tests.device_time import DEVICE, ArmAmount
from jobs.services.ab_tests.exposed_jobs import SPAN
from jobs.services.access.tokens import create_token
from jobs.services.circuits.circuit_changes import CHANGES
from models_registry.models import ModelVersion, Rule
from tests.support.ab_tests import ab_rule, arms, began, expose, report, run


@pytest.fixture
def put(db: str) -> Rule:
    return ab_rule(sticky="client")


@pytest.fixture
def one(put: Rule) -> ModelVersion:
    return ModelVersion.objects.get(version="1")


def test_a_report_is_readable_where_the_ledger_is_too_large_to_be_read_in_time(
    put: Rule, one: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = expose(put, one, range(4))
    run(one, jobs, ran_s=1.0)
    assert arms(put)["1"].device_s_per_job == pytest.approx(0.25)
    slow = Statement("SELECT 1::bigint AS version, 1.0::float8 AS amount FROM pg_sleep(60)", ArmAmount)
    monkeypatch.setattr("jobs.services.ab_tests.device_time.DEVICE", slow)
    monkeypatch.setattr("jobs.services.ab_tests.device_time.TIMEOUT_MS", 50)
    before = statement_timeout()
    with transaction.atomic():
        shown = report(put)
        assert statement_timeout() == before, "a transaction around it goes on as it was"
    assert (shown.arms[0].finished, shown.arms[0].device_s_per_job) == (4, None)
    assert "<td>unknown</td>" in ab_page(shown)
    assert ", device unknown" in ab_text(shown)
    token = create_token(client="operators", scopes=["roll_out"])
    operators = Client(headers={"Authorization": f"Bearer {token}"})
    answer = operators.get(f"/api/v1/models/echo/rules/{put.number}/report")
    assert answer.json()["arms"][0]["device_s_per_job"] is None
    assert statement_timeout() == before


def test_a_time_in_reach_of_the_timeout_leaves_that_of_the_session(put: Rule, one: ModelVersion) -> None:
    run(one, expose(put, one, range(4)), ran_s=1.0)
    before = statement_timeout()
    with transaction.atomic():
        assert arms(put)["1"].device_s_per_job == pytest.approx(0.25)
        assert statement_timeout() == before


def statement_timeout() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        (value,) = cursor.fetchone()
    return str(value)


def test_the_time_on_devices_is_unknown_where_batches_of_the_begin_are_deleted(
    put: Rule, one: ModelVersion
) -> None:
    run(one, expose(put, one, range(4)), ran_s=1.0)
    kept = settings.INFERENCE.ledger_days
    for days, shown in ((kept - 1, 0.25), (kept + 1, None)):
        began(put, timedelta(days=days))
        assert arms(put)["1"].device_s_per_job == shown


STATEMENTS: dict[str, Statement[Any]] = {
    "SPAN": SPAN, "JOBS": JOBS, "NUMBERS": NUMBERS, "LABELS": LABELS, "WITH_FEEDBACK": WITH_FEEDBACK,
    "DEVICE": DEVICE,
}  # fmt: skip


@pytest.mark.parametrize("name", STATEMENTS)
def test_each_statement_finds_its_jobs_in_the_index_of_a_b_tests_alone(
    name: str, put: Rule, one: ModelVersion
) -> None:
    expose(put, one, range(10))
    last = first_id_at(10**13)
    values: dict[str, Any] = {
        "rule": put.pk, "last": last, "first": first_id_at(0), "until": last, "most": 5, "dead": "dead",
        "succeeded": "succeeded", "ends": ["dead"], "names": 5, "labels": 5, "versions": [one.pk],
        "largest": LARGEST_VALUE, "replay": "replay",
    }  # fmt: skip
    plan = plan_of(STATEMENTS[name], values)
    assert "using route_of_ab on jobs_route" in plan
    assert "Seq Scan on jobs_" not in plan
    if name in ("JOBS", "WITH_FEEDBACK"):  # by the job's id, and no row of another job
        table = "jobs_event event" if name == "JOBS" else "jobs_feedback"
        assert f" on {table}" in plan
        assert re.search(rf"Index (Only )?Scan using \S+ on {table}.*\n\s+Index Cond: \(job_id = ", plan)


def test_the_changes_of_a_circuit_are_found_by_its_version(one: ModelVersion) -> None:
    values = {"version": one.pk, "until": datetime.now(UTC), "states": ["open"], "most": 10}
    assert "using event_of_circuit on jobs_event" in plan_of(CHANGES, values)


def plan_of(statement: Statement[Any], values: dict[str, Any]) -> str:
    """Return the plan for any values, with an index wherever one can be used."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"EXPLAIN {statement.sql}", values)
        return "\n".join(row[0] for row in cursor.fetchall())
