"""Objects that no row points at are found on a session that nobody else uses, without a hurry."""

from __future__ import annotations

import pytest

from jobs.db import session as sessions
from jobs.db.session_settings import Use
from jobs.db.statement import Statement, fetch_all, run
from jobs.services.retention import delete_objects
from jobs.services.retention.delete_objects import forget_payloads

_LEFT = Statement("SELECT to_regclass('pg_temp.payload_in_use') IS NOT NULL", bool)
_LIMIT = Statement("SELECT current_setting('statement_timeout')", str)


def test_the_list_of_objects_in_use_is_no_table_of_a_connection_that_others_get(db: str) -> None:
    forget_payloads()
    assert fetch_all(_LEFT) == [False], "behind a pooler a later run could meet it"


def test_all_rows_may_be_read_for_longer_than_a_request_may_take(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = list[str]()

    def opened(use: Use) -> object:
        session = sessions.open_session(use)
        limits.extend(run(session, _LIMIT))
        return session

    monkeypatch.setattr(delete_objects, "open_session", opened)
    forget_payloads()
    assert limits == ["1h"]
