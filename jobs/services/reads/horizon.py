"""Which transaction has been open longest: no row that died since then can be removed from any table."""

from __future__ import annotations

from typing import NamedTuple

from jobs.db.statement import Statement

OLD_S = 60.0


class HorizonHolder(NamedTuple):
    """The oldest open transaction of this database but our own; `pid` is 0 for a prepared transaction."""

    pid: int
    application: str
    login: str
    state: str
    age_s: float

    def __str__(self) -> str:
        who = f"{self.application or 'without a name'}, user {self.login}, {self.state}"
        return f"process {self.pid} ({who}) has held a transaction open for {self.age_s:.0f} s"


# Without the role pg_read_all_stats only transactions of our own user are seen.
HOLDER = Statement(
    """
SELECT * FROM (
  SELECT pid, application_name AS application, COALESCE(usename, '') AS login,
    COALESCE(state, backend_type) AS state, extract(epoch FROM now() - xact_start)::float8 AS age_s
  FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
    AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
    AND backend_type IN ('client backend', 'walsender')
  UNION ALL
  SELECT 0, gid, owner, 'prepared', extract(epoch FROM now() - prepared)::float8
  FROM pg_prepared_xacts WHERE database = current_database()
) AS open ORDER BY age_s DESC LIMIT 1
""",
    HorizonHolder,
)
