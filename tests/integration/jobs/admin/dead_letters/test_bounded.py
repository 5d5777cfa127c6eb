"""With many dead letters, no page reads more of them than its bound."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from jobs.core.states import State
from jobs.db import statement
from jobs.models import DeadLetter
from jobs.services.dead_letters import reads as letters
from tests.support.admin import browser_of
from tests.support.factories import make_job

ROWS = 60_000
LOOKED_AT = 5_000
SCANNED = 3_000
LETTERS = "/admin/jobs/deadletter/"
GROUP = "model=echo&kind=poison&fingerprint=rare"
# Copies of one row; the triggers of foreign keys are off, so that a dead letter needs no job.
FILL = """
INSERT INTO jobs_deadletter
  (job_id, epoch, queue, kind, code, message, traceback, fingerprint, created_at, due)
SELECT CAST(lpad(to_hex(1790000000000 + n * 100), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0') AS uuid),
  1, 'echo', CASE WHEN n %% 7 = 0 THEN 'timeout' ELSE 'poison' END, 'c', 'm', 't',
  CASE WHEN n IN (5, 6) THEN 'rare' ELSE 'f' || n %% 5 END, now() - make_interval(secs => %s - n), NULL
FROM generate_series(1, %s) AS n
"""
PAGES = (
    "", "?p=2", "?model=echo", "?kind=timeout", f"?{GROUP}", "?fingerprint=rare", "?since=2020-01-01",
    "?until=2020-01-01", "?model=echo&kind=poison&fingerprint=f1", "?q=00000000-0000-7000-8000-000000000001",
    "replay/", f"replay/?{GROUP}", "replay/?kind=timeout", "discard/?since=2020-01-01",
)  # fmt: skip


@pytest.fixture
def browser(db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    monkeypatch.setattr(letters, "LOOKED_AT", LOOKED_AT)
    monkeypatch.setattr("jobs.admin.base.newest.__defaults__", (SCANNED,))
    make_job(state=State.DEAD)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(FILL, (ROWS, ROWS))
        cursor.execute("RESET session_replication_role")
        cursor.execute("VACUUM (ANALYZE) jobs_deadletter")
    yield browser_of()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE jobs_deadletter")


def test_no_page_reads_more_dead_letters_than_its_bound(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[tuple[str, Any]] = []
    run = statement.execute

    def noted(read: statement.Statement[Any], params: Any) -> Any:
        statements.append((read.sql, params))
        return run(read, params)

    monkeypatch.setattr(statement, "execute", noted)
    letter = DeadLetter.objects.order_by("pk")[9].pk
    for page in (*PAGES, f"{letter}/change/"):
        statements.clear()
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(LETTERS + page).status_code in {200, 302}, page
        own = [(query["sql"].replace("%", "%%"), ()) for query in queries.captured_queries]
        for text, params in own + statements:
            check(page, text, params)


def check(page: str, text: str, params: Any) -> None:
    if "jobs_deadletter" not in text or not text.lstrip().startswith("SELECT"):
        return
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", params or None)
        (plan,) = cursor.fetchone()
    read = most_read((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    assert read <= LOOKED_AT + SCANNED, f"{page}: {read} rows\n{text}\n{params}\n{plan}"


def most_read(node: Any) -> int:
    """Return the most dead letters that one node of the plan read; those that an index skips do not count."""
    own = 0
    if node.get("Relation Name") == "jobs_deadletter":
        own = node["Actual Rows"] + node.get("Rows Removed by Index Recheck", 0)
    if node["Node Type"] != "Index Only Scan":
        own += node.get("Rows Removed by Filter", 0)
    return int(max([own * node["Actual Loops"], *map(most_read, node.get("Plans", ()))]))


def test_the_page_says_that_it_left_out_older_rows(browser: Browser) -> None:
    text = " ".join(browser.get(LETTERS).content.decode().split())
    assert "dead letters were looked at" in text
    assert "Only the newest rows were searched" in text


def test_an_old_small_group_is_found_behind_many_newer_rows(browser: Browser) -> None:
    response: Any = browser.get(f"{LETTERS}?{GROUP}")
    assert len(response.context_data["cl"].result_list) == 2
    assert response.context_data["groups"].dead_letters == 2
