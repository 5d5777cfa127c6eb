"""The switch `escalate` in a worker that lives on while Postgres restarts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from jobs.services.lifecycle.cascading.switch import EscalationSwitch
from models_registry import flag_reads
from tests.support.cascades import light_and_heavy, put_cascade, submit
from tests.support.flags import flag


@pytest.fixture(autouse=True)
def _cascade(db: str) -> Iterator[None]:
    assert db
    light_and_heavy()
    put_cascade()
    yield
    flag_reads.forget_flags()


def test_a_look_at_the_switch_leaves_no_connection_open() -> None:
    job = submit()
    flag("escalate", on=False)
    flag_reads.forget_flags()
    connection.ensure_connection()
    assert EscalationSwitch().is_on(job.id) is False
    assert connection.connection is None, "a later restart of Postgres has none to break"
