"""The switch `escalate` in a worker that lives on while Postgres restarts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from jobs.core.states import State
from jobs.services.lifecycle.cascading.switch import EscalationSwitch
from models_registry import flag_reads
from tests.support.cascades import answer, light_and_heavy, put_cascade, ran, steps_of, submit
from tests.support.flags import flag


@pytest.fixture(autouse=True)
def _cascade(db: str) -> Iterator[None]:
    assert db
    light_and_heavy()
    put_cascade()
    yield
    flag_reads.forget_flags()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of all statements that Django's connections are sent from now on."""
    statements, execute = list[str](), psycopg.Cursor.execute

    def noted(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        statements.append(str(query))
        return execute(self, query, *arguments, **named)

    monkeypatch.setattr(psycopg.Cursor, "execute", noted)
    return statements


def test_a_batch_that_the_switch_stops_leaves_no_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    job = submit()
    flag("escalate", on=False)
    flag_reads.forget_flags()
    closes = list[bool]()
    close = connection.close

    def noted() -> None:
        closes.append(connection.connection is not None)
        close()

    monkeypatch.setattr(connection, "close", noted)
    ended = ran(job, answer(0.3))
    monkeypatch.undo()
    assert ended.state == State.SUCCEEDED
    assert steps_of(job)[0][-1] == "switched_off"
    assert closes == [True], "a later restart of Postgres has none to break"


def test_a_flag_that_depends_on_the_job_reads_it_by_two_statements(sent: list[str]) -> None:
    described = {
        "properties": {
            "metadata": {"properties": {"tier": {"const": "beta"}}, "required": ["tier"]},
            "parameters": {"properties": {"k": {"const": 3}}, "required": ["k"]},
        }
    }
    asked = (("beta", 3), ("beta", 4), ("other", 3))
    jobs = [submit(metadata={"tier": tier}, parameters={"k": k}) for tier, k in asked]
    flag("escalate", when=described)
    flag_reads.forget_flags()
    switch = EscalationSwitch()
    assert switch.is_on(jobs[0].id)
    sent.clear()
    assert [switch.is_on(job.id) for job in jobs] == [True, False, False]
    assert len(sent) == 2 * len(jobs), sent


def test_a_plain_flag_reads_nothing_of_the_job(sent: list[str]) -> None:
    job = submit()
    flag("escalate", on=False)
    flag_reads.forget_flags()
    switch = EscalationSwitch()
    assert not switch.is_on(job.id)
    sent.clear()
    assert not switch.is_on(job.id)
    assert not sent
