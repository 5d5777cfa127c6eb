"""Whether what would replace the database is kept up: the archive of its log, and standby servers.

Any login may read these views; `pg_stat_replication`, which says more, hides its columns from ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

from jobs.db.statement import Statement, run


class ReplicationSlot(NamedTuple):
    """A standby's slot: the server keeps `behind_bytes` of its log for it; None where the slot was lost."""

    slot: str
    active: bool
    behind_bytes: float | None


class ServerCopies(NamedTuple):
    """Seconds since the archive refuses the log, 0 where it takes it or there is none; the slots."""

    archive_failing_s: float = 0.0
    slots: Sequence[ReplicationSlot] = ()


# Where the command fails, the last try tells. Where it hangs there is none: then a finished segment is not
# archived. Names of segments have 24 digits: timeline, and number in two parts; the note of a backup names an
# older one. Of a server that never archived, the time since its counts began is the best that is known. In
# recovery it may archive nothing.
_ARCHIVE = Statement(
    """
SELECT CASE
  WHEN last_failed_time > COALESCE(last_archived_time, '-infinity') OR numbers.now > numbers.archived + 1 THEN
    GREATEST(0, extract(epoch FROM now()
      - COALESCE(last_archived_time, stats_reset, last_failed_time)))::float8
  ELSE 0.0 END
FROM pg_stat_archiver,
  (SELECT setting::bigint AS bytes FROM pg_settings WHERE name = 'wal_segment_size') AS segment,
  LATERAL (
    SELECT floor(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') / bytes) AS now,
      CASE WHEN last_archived_wal ~ '^[0-9A-F]{24}$' THEN
        ('x' || substr(last_archived_wal, 9, 8))::bit(32)::bigint * (4294967296 / bytes)
          + ('x' || substr(last_archived_wal, 17, 8))::bit(32)::bigint
      END AS archived
  ) AS numbers
WHERE current_setting('archive_mode') <> 'off' AND NOT pg_is_in_recovery()
""",
    float,
)
# Postgres keeps no log for a lost slot, and no standby can read it.
_SLOTS = Statement(
    """
SELECT slot_name::text AS slot, active,
  CASE WHEN wal_status IS DISTINCT FROM 'lost'
    THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 END AS behind_bytes
FROM pg_replication_slots
WHERE slot_type = 'physical' AND NOT temporary AND NOT pg_is_in_recovery() ORDER BY slot_name
""",
    ReplicationSlot,
)


def copies_of(session: psycopg.Connection[Any]) -> ServerCopies:
    """Return how the archive and the standbys of this session's server are doing; psycopg.Error."""
    return ServerCopies(sum(run(session, _ARCHIVE)), run(session, _SLOTS))
