"""Whether what would replace the database is kept up: the archive of its log, and standby servers.

Any login may read these views; `pg_stat_replication`, which says more, hides its columns from ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

from jobs.db.connections import connect
from jobs.db.session_settings import Use
from jobs.db.statement import Statement, run


class ReplicationSlot(NamedTuple):
    """A slot that the server keeps its log for; `behind_bytes` of it is not read, None where it was lost."""

    slot: str
    active: bool
    behind_bytes: float | None


class ServerCopies(NamedTuple):
    """Seconds since the archive refuses the log, 0 where it takes it or there is none; the slots."""

    archive_failing_s: float = 0.0
    slots: Sequence[ReplicationSlot] = ()


# The server tries again and again, so the last try tells. Of one that never archived, the time since its
# counts began is the best that is known.
_ARCHIVE = Statement(
    """
SELECT CASE
  WHEN last_failed_time > COALESCE(last_archived_time, '-infinity')
    THEN extract(epoch FROM now() - COALESCE(last_archived_time, stats_reset, last_failed_time))::float8
  ELSE 0.0 END
FROM pg_stat_archiver WHERE current_setting('archive_mode') <> 'off'
""",
    float,
)
_SLOTS = Statement(
    """
SELECT slot_name::text AS slot, active,
  CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 END
    AS behind_bytes
FROM pg_replication_slots WHERE NOT temporary ORDER BY slot_name
""",
    ReplicationSlot,
)


def read_copies() -> ServerCopies:
    """Return how the archive and the standbys are doing; psycopg.Error."""
    with connect("metrics", Use.PAGE, direct=True) as session:
        return copies_of(session)


def copies_of(session: psycopg.Connection[Any]) -> ServerCopies:
    """Return how the archive and the standbys of this session's server are doing; psycopg.Error."""
    return ServerCopies(sum(run(session, _ARCHIVE)), run(session, _SLOTS))
