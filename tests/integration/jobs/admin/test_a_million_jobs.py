# ruff: noqa: E501  # statements and lists of addresses, one a line
"""With a million jobs, no page of the admin counts or scans them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from jobs.core.acting.bulk_verbs import BulkVerb
from jobs.core.acting.job_selection import JobSelection
from jobs.core.states import State
from jobs.services.bulk_acts.matching import count_matching
from jobs.services.dead_letters.replay_many import now
from tests.support.admin import browser_of

ROWS = 1_000_000
BASE = (
    "INSERT INTO jobs_client (name) VALUES ('search'), ('archive')",
    """
INSERT INTO models_registry_registeredmodel (name, description, created_at) VALUES ('echo', '', now()), ('rare', '', now())
""",
    """
INSERT INTO models_registry_modelversion (model_id, version, loader, artifact, sha256, input_schema, output_schema,
  options, max_batch, max_padded_size, pads, p95_goal_s, max_attempts, created_at)
SELECT id, '1', 'entry_point', 'a:b', '', '{}', '{}', '{"metadata_index": ["tenant"]}', 64, 0, false, 2, 3, now() FROM models_registry_registeredmodel
""",
)
# A UUIDv7 of the past million tenths of a second, newest last: 28 hours.
KEY = """CAST(lpad(to_hex(CAST(extract(epoch FROM now()) * 1000 AS bigint) - (%s - n) * 100), 12, '0')
  || '70008000' || lpad(to_hex(n), 12, '0') AS uuid)"""
JOBS = f"""
INSERT INTO jobs_job (id, client_id, version_id, queue, priority, state, max_attempts, finished_at, batch_id)
SELECT {KEY}, 1 + n %% 2, 1, CASE WHEN n %% 99991 = 0 THEN 'rare' ELSE 'echo' END, CASE WHEN n %% 99989 = 0 THEN 9 ELSE 4 END,
  CASE WHEN n %% 100 = 0 THEN 'queued' WHEN n %% 1000 = 1 THEN 'waiting' WHEN n %% 1000 = 3 THEN 'dead'
    WHEN n %% 99877 = 5 THEN 'cancelled' WHEN n >= %s - 64 THEN 'running' ELSE 'succeeded' END, 3,
  CASE WHEN n %% 100 = 0 OR n %% 1000 = 1 OR (n >= %s - 64 AND n %% 1000 <> 3 AND n %% 99877 <> 5) THEN NULL ELSE now() END,
  '00000000-0000-7000-8000-000000000001'
FROM generate_series(1, %s) AS n
"""
SIDES = (
    """
INSERT INTO jobs_outbox (job_id, epoch, version_id, queue, priority)
SELECT id, CASE state WHEN 'waiting' THEN 1 ELSE 0 END, 1, queue, priority FROM jobs_job WHERE state IN ('queued', 'waiting')
""",
    """
INSERT INTO jobs_deadletter (job_id, epoch, queue, kind, code, message, traceback, fingerprint)
SELECT id, 1, queue, 'poison', 'bad', 'no', '', 'f' FROM jobs_job WHERE state = 'dead'
""",
    """
INSERT INTO jobs_worker (id, node, host, pid, device, model_names)
VALUES ('00000000-0000-7000-8000-000000000002', 'gpu-0@a', 'a', 1, 'cpu', '{echo}')
""",
    """
INSERT INTO jobs_batch (id, worker_id, version_id, members, size, padded_size, seal_reason, waited_s, succeeded, failed,
  released, fenced)
SELECT '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002', 1, array_agg(id), 64, 64, 'full',
  0, 0, 0, 0, 0 FROM jobs_job WHERE state = 'running'
""",
    """
INSERT INTO jobs_joblabel (job_id, queue, field, value, expires_at)
SELECT id, queue, 'tenant', 't' || priority || right(id::text, 1), now() FROM jobs_job WHERE state <> 'succeeded'
""",
    """
INSERT INTO jobs_event (job_id, kind, actor, detail) SELECT id, 'attempt_failed', '', '{}' FROM jobs_job WHERE state = 'dead'
""",
)
LISTS = [
    f"/admin/jobs/job/{query}"
    for query in (
        "", "?p=2", "?p=300", "?when=1h", "?when=30d", "?when=any", "?state=queued", "?state=waiting",
        "?state=running", "?state=dead", "?state=succeeded", "?state=cancelled", "?state=expired&when=any",
        "?state=queued&model=rare", "?state=queued&client=1", "?model=rare", "?model=rare&when=any",
        "?model=nonsense", "?priority=9", "?priority=3&when=any", "?client=1", "?client=2&priority=9&when=any",
        "?kind=poison", "?state=dead&kind=poison", "?state=dead&code=none&kind=timeout", "?code=cancelled&when=any",
        "?version=echo:1", "?version=echo:1&state=queued", "?version=rare:1&state=waiting",
        "?version=rare:1&state=dead&when=any", "?version=echo:1&state=running", "?since=2020-01-01T00:00:00",
        "?until=2999-01-01T00:00:00&state=queued", "?since=2020-01-01T00:00:00&until=2999-01-01T00:00:00&model=rare",
        "?label=echo:tenant&value=t47", "?label=echo:tenant&value=t47&state=queued&client=1", "?label=echo:tenant&value=no",
        "?client=12345", "?o=2", "?state=dead&priority=4&model=echo&client=2&when=30d",
    )
] + [
    "/admin/jobs/batch/", "/admin/jobs/batch/?open=yes", "/admin/jobs/worker/", "/admin/jobs/deadletter/?model=echo",
    "/admin/jobs/outbox/?priority=9", "/admin/jobs/event/?kind=attempt_failed", "/admin/jobs/client/",
    "/admin/jobs/apitoken/", "/admin/", "/admin/models_registry/registeredmodel/", "/admin/models_registry/registeredmodel/1/change/",
    "/admin/models_registry/modelversion/1/change/", "/admin/jobs/client/1/change/",
    "/admin/jobs/batch/00000000-0000-7000-8000-000000000001/change/",
    "/admin/jobs/worker/00000000-0000-7000-8000-000000000002/change/",
]  # fmt: skip


@pytest.fixture
def browser(db: str) -> Iterator[Browser]:
    with connection.cursor() as cursor:
        for statement in BASE:
            cursor.execute(statement)
        cursor.execute(JOBS, (ROWS, ROWS, ROWS, ROWS))
        for statement in SIDES:
            cursor.execute(statement)
        cursor.execute(
            "VACUUM (ANALYZE) jobs_job, jobs_outbox, jobs_deadletter, jobs_batch, jobs_event, jobs_joblabel"
        )
    yield browser_of()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE jobs_job CASCADE")


def a_job_in(state: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM jobs_job WHERE state = %s LIMIT 1", (state,))
        return cursor.fetchone()[0]


def test_no_page_counts_or_scans_the_jobs(browser: Browser) -> None:
    pages = [
        f"/admin/jobs/job/{a_job_in(state)}/change/" for state in ("succeeded", "dead", "running", "queued")
    ]
    pages.append(f"/admin/jobs/job/?q={a_job_in('dead')}")
    pages.append(f"/admin/jobs/event/?q={a_job_in('dead')}")
    for page in LISTS + pages:
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(page).status_code == 200, page
        for query in queries.captured_queries:
            check(page, query["sql"])
    check_acts_on_all_that_match()


def check(page: str, statement: str) -> None:
    if not statement.startswith("SELECT"):
        return
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + statement.replace("%", "%%"))
        plan = "\n".join(line for (line,) in cursor.fetchall())
    for table in ("jobs_job", "jobs_joblabel"):
        assert f"Seq Scan on {table}\n" not in plan.replace("  ", "\n"), f"{page}\n{statement}\n{plan}"
    if "jobs_job" in statement:
        assert "count(" not in statement.lower(), f"{page}\n{statement}"


def check_acts_on_all_that_match() -> None:
    before = whole_reads()
    chosen = [
        {},
        {"model": "rare"},
        {"client": 1, "priority": 4},
        {"model": "echo", "field": "tenant", "value": "t47"},
    ]
    for fields in chosen:
        for verb, state in (
            ("cancel", None),
            ("cancel", "queued"),
            ("replay", "dead"),
            ("replay", "cancelled"),
            ("discard", None),
        ):
            selection = JobSelection(**fields, state=State(state) if state else None)  # type: ignore[arg-type]  # mixed cases
            count_matching(selection, BulkVerb(verb), started_at=now())
    assert whole_reads() == before


def whole_reads() -> int:
    """Return how often the table of jobs, or of their labels, was read as a whole."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT 1")
        cursor.execute(
            "SELECT sum(seq_scan)::int FROM pg_stat_user_tables WHERE relname IN ('jobs_job', 'jobs_joblabel')"
        )
        return int(cursor.fetchone()[0])
