"""Which requests cost no run: a job under their key is there already, or an identical one answers them."""

from __future__ import annotations

from collections.abc import Collection
from typing import LiteralString

from jobs.core.states import TERMINAL, State
from jobs.db.positional import fetch_all

_KEYED: LiteralString = """
SELECT idempotency_key FROM jobs_job WHERE client_id = %s AND idempotency_key = ANY(%s)
"""
# As services/place sees it, but that nothing is stored: what is gone by then is taken as a job like others.
_SHARED: LiteralString = """
SELECT entry.key FROM jobs_cacheentry entry JOIN jobs_job leader ON leader.id = entry.job_id
WHERE entry.key = ANY(%(keys)s) AND leader.client_id = %(client)s AND (
  (NOT leader.state = ANY(%(ended)s) AND leader.priority >= %(priority)s)
  OR (leader.state = %(succeeded)s AND leader.finished_at > now() - make_interval(secs => entry.ttl_s))
)
"""


def keyed_before(client: int, keys: Collection[str]) -> set[str]:
    """Return those of the idempotency keys under which the client has a job."""
    return {row[0] for row in fetch_all(_KEYED, (client, list(keys)))} if keys else set()


def answers_there(client: int, keys: Collection[bytes], *, priority: int) -> set[bytes]:
    """Return those of the keys of identical requests that a job of this priority need not run for."""
    values = {
        "client": client,
        "keys": list(keys),
        "priority": priority,
        "ended": sorted(TERMINAL),
        "succeeded": State.SUCCEEDED,
    }
    return {bytes(row[0]) for row in fetch_all(_SHARED, values)} if keys else set()
