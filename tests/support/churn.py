"""A transaction that stays open, and the dead rows of the outbox that it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

CHUNK = 5_000
PER_S = 500
EPOCH = 1_000_000  # of no real job
_INSERT = """
INSERT INTO jobs_outbox (job_id, epoch, version_id, queue, priority, due, deadline, client)
SELECT gen_random_uuid(), %(epoch)s, %(version)s, %(queue)s, 4, at, at + interval '5 s',
  (%(clients)s::int[])[1 + n %% cardinality(%(clients)s::int[])]
FROM generate_series(1, %(rows)s) AS n
CROSS JOIN LATERAL (SELECT now() - make_interval(secs => %(age_s)s - n / %(per_s)s::float8) AS at) AS time
"""

_PUBLISH = """
UPDATE jobs_outbox SET published = 1, due = due + interval '30 s' WHERE queue = %s AND epoch = %s
"""
_CLAIM = "DELETE FROM jobs_outbox WHERE queue = %s AND epoch = %s"


@contextmanager
def open_snapshot(url: str, *, name: str = "a forgotten console") -> Iterator[int]:
    """Hold a snapshot for as long as the block lasts; yield the process id of its server process."""
    with psycopg.connect(url, application_name=name) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT FROM jobs_outbox LIMIT 1")
        yield connection.info.backend_pid


def churn(
    url: str,
    rows: int,
    *,
    version: int,
    clients: Sequence[int],
    queue: str = "echo",
    ended_s: float = 0.0,
) -> None:
    """Insert, publish and claim outbox rows without jobs, as if PER_S a second came until `ended_s` ago."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # the rows have no jobs
        values = {
            "version": version,
            "queue": queue,
            "clients": list(clients),
            "per_s": PER_S,
            "epoch": EPOCH,
        }
        for done in range(0, rows, CHUNK):
            chunk = {"rows": min(CHUNK, rows - done), "age_s": ended_s + (rows - done) / PER_S}
            with connection.transaction():  # one, so that no relay takes them in between
                connection.execute(_INSERT, values | chunk)
                connection.execute(_PUBLISH, (queue, values["epoch"]))
                connection.execute(_CLAIM, (queue, values["epoch"]))
        connection.execute("ANALYZE jobs_outbox")
        connection.execute("SELECT pg_stat_force_next_flush()")
