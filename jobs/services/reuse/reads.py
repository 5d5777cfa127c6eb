"""Which requests cost no run: their key has a job already, or an identical job answers them."""

from __future__ import annotations

from collections.abc import Collection

from jobs.core.states import TERMINAL, State
from jobs.db.statement import Statement, fetch_all

_KEYED = Statement(
    """
SELECT idempotency_key FROM jobs_job
WHERE client_id = %(client)s AND idempotency_key = ANY(%(keys)s::text[])
""",
    str,
)
# The same rules as in submission/shared_statements, but nothing is stored: a job whose answer disappears in
# between runs like any other.
_SHARED = Statement(
    """
SELECT entry.key FROM jobs_cacheentry entry JOIN jobs_job leader ON leader.id = entry.job_id
WHERE entry.key = ANY(%(keys)s) AND leader.client_id = %(client)s AND (
  (NOT leader.state = ANY(%(ended)s) AND leader.priority >= %(priority)s)
  OR (leader.state = %(succeeded)s AND leader.finished_at > now() - make_interval(secs => entry.ttl_s))
)
""",
    bytes,
)


def keyed_before(client: int, keys: Collection[str]) -> set[str]:
    """Return those of the idempotency keys under which the client has a job."""
    return set(fetch_all(_KEYED, {"client": client, "keys": list(keys)})) if keys else set()


def answers_there(client: int, keys: Collection[bytes], *, priority: int) -> set[bytes]:
    """Return those of the keys of identical requests that a job of this priority need not run for."""
    parameters = {
        "client": client,
        "keys": list(keys),
        "priority": priority,
        "ended": sorted(TERMINAL),
        "succeeded": State.SUCCEEDED,
    }
    return set(fetch_all(_SHARED, parameters)) if keys else set()
