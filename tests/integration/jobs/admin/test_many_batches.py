"""The list of very many batches neither counts nor scans them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from jobs.models import Batch
from tests.support.admin import browser_of
from tests.support.factories import make_version, make_worker

ROWS = 300_000
BATCHES = "/admin/jobs/batch/"
FILL = """
INSERT INTO jobs_batch (id, worker_id, version_id, members, size, padded_size, seal_reason, waited_s,
  succeeded, failed, released, fenced, claimed_at, finished_at)
SELECT CAST(lpad(to_hex(1790000000000 + n * 100), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0') AS uuid),
  %s, %s, '{}', 64, 64, CASE WHEN n %% 5000 = 0 THEN 'memory' ELSE 'full' END, 0, 64, 0, 0, 0, now(),
  CASE WHEN n IN (7, 299999) THEN NULL ELSE now() END
FROM generate_series(1, %s) AS n
"""
LISTS = (
    "", "?p=2", "?p=300", "?open=yes", "?open=no", "?seal=full", "?seal=memory", "?seal=drain", "?model=echo",
    "?model=nobody", "?node=gpu-0@tests", "?node=gpu-9@nowhere",
    "?open=yes&seal=full&model=echo&node=gpu-0@tests",
    "?q=00000000-0000-7000-8000-000000000001",
)  # fmt: skip


@pytest.fixture
def browser(db: str) -> Iterator[Browser]:
    worker, version = make_worker(), make_version()
    with connection.cursor() as cursor:
        cursor.execute(FILL, (worker.id, version.id, ROWS))
        cursor.execute("VACUUM (ANALYZE) jobs_batch")
    yield browser_of()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE jobs_batch CASCADE")


def test_no_list_of_batches_counts_or_scans_them(browser: Browser) -> None:
    newest = Batch.objects.order_by("-pk")[0]
    still_open = set(Batch.objects.filter(finished_at__isnull=True).values_list("pk", flat=True))
    for page in (*LISTS, f"{newest.pk}/change/"):
        with CaptureQueriesContext(connection) as queries:
            answer: Any = browser.get(BATCHES + page)
        assert answer.status_code == 200, page
        for query in queries.captured_queries:
            check(page, query["sql"])
        if page == "?open=yes":
            assert {row.pk for row in answer.context_data["cl"].result_list} == still_open


def check(page: str, statement: str) -> None:
    if not statement.startswith("SELECT") or "jobs_batch" not in statement:
        return
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + statement.replace("%", "%%"))
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan on jobs_batch" not in plan, f"{page}\n{statement}\n{plan}"
    assert "count(" not in statement.lower(), f"{page}\n{statement}"
