"""Holds clients to their quotas: a process spends the amount that it took ahead, then asks Postgres.

A bucket is one unlogged row for all web processes, so that they cannot spend it twice. The jobs in flight of
a client are counted again, among a bounded number of its newest jobs, when their bucket seems empty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Lock
from time import monotonic
from typing import Any, LiteralString, NamedTuple

from django.db import transaction

from jobs.core.admission.quota import Bucket, Purse, QuotaKind, headers, refill_s
from jobs.core.errors import QuotaExceededError
from jobs.core.states import Verb, sources
from jobs.db.statement import Statement, execute, fetch_all, once_more
from jobs.services.access.owner import Owner

RECOUNT_S = 0.1  # a client at its limit of jobs in flight is counted no more often
MOST_PURSES = 10_000
_FILLED: LiteralString = """
LEAST(%(burst)s::float8, level + %(per_s)s::float8 * GREATEST(0, extract(epoch FROM now() - at))::float8)
"""
_GIVEN: LiteralString = f"""
CASE WHEN {_FILLED} >= LEAST(%(least)s::float8, %(burst)s::float8)
THEN GREATEST(LEAST(%(want)s::float8, {_FILLED}), %(least)s::float8) ELSE 0 END
"""


class _Lease(NamedTuple):
    given: float
    level: float


# One row and no snapshot older than its lock: two processes cannot be given the same.
_TAKE = Statement(
    f"""
UPDATE jobs_quotabucket SET given = {_GIVEN}, level = {_FILLED} - {_GIVEN}, at = GREATEST(at, now())
WHERE client_id = %(client)s AND kind = %(kind)s RETURNING given, level
""",  # noqa: S608  # built from constants of this file
    _Lease,
)
_MAKE = Statement("""
INSERT INTO jobs_quotabucket (client_id, kind, level, given)
VALUES (%(client)s, %(kind)s, %(burst)s, 0) ON CONFLICT (client_id, kind) DO NOTHING
""")
_BY_INDEX = Statement("SET LOCAL enable_seqscan = off")
# No further back than this: of a client with so many newer jobs, older live ones are not counted. The client
# is an array and leads the order, so that no plan walks past the jobs of all other clients.
_RECOUNT = Statement("""
UPDATE jobs_quotabucket SET at = now(), level = %(burst)s - (
  SELECT count(*) FILTER (WHERE state = ANY(%(live)s)) FROM (
    SELECT state FROM jobs_job WHERE client_id = ANY(ARRAY[%(client)s]::bigint[])
    ORDER BY client_id, id DESC LIMIT GREATEST(1000, 4 * %(burst)s::int)
  ) AS newest
)
WHERE client_id = %(client)s AND kind = %(kind)s
""")
_LIMITS = {
    QuotaKind.REQUESTS: "This client may send {per_s:g} jobs a second",
    QuotaKind.BYTES: "This client may send {per_s:,.0f} bytes of input a second",
    QuotaKind.IN_FLIGHT: "This client may have {burst:,.0f} jobs waiting or running at one time",
}
_LIVE = sources(Verb.CANCEL)
_purses: dict[tuple[int, QuotaKind], tuple[Lock, Purse]] = {}


def within_quota(owner: Owner, sizes: Sequence[int]) -> tuple[int, QuotaExceededError | None]:
    """Return how many of a call's jobs, from the first on, the client may send now, and why not the rest.

    `sizes` are the jobs' bytes of input.
    """
    count, refusal = len(sizes), None
    spent: list[tuple[Purse, Sequence[float]]] = []
    for kind, bucket in owner.quota.buckets():
        amounts = [float(size) for size in sizes] if kind is QuotaKind.BYTES else [1.0] * len(sizes)
        covered, purse, wait_s = _spend(owner.id, kind, bucket, amounts[:count])
        spent.append((purse, amounts[:covered]))
        if covered < count:
            count, refusal = covered, _refusal(kind, bucket, wait_s)
    for purse, paid in spent:
        purse.give_back(sum(paid[count:]))
    return count, refusal


def charge_bytes(owner: Owner, size: int) -> None:
    """Take an upload's bytes from its client's quota; QuotaExceededError."""
    for kind, bucket in owner.quota.buckets():
        if kind is QuotaKind.BYTES:
            count, _, wait_s = _spend(owner.id, kind, bucket, [float(size)])
            if not count:
                raise _refusal(kind, bucket, wait_s)


def quota_headers(owner: Owner) -> dict[str, str]:
    """Return the headers with the rest of a client's quotas; none if it has no quota."""
    now = monotonic()
    levels = [
        (kind, bucket, _purse(owner.id, kind)[1].left(bucket, now)) for kind, bucket in owner.quota.buckets()
    ]
    return headers(levels) if levels else {}


def forget_quotas() -> None:
    """Drop the amounts that this process has taken ahead."""
    _purses.clear()


def _purse(client: int, kind: QuotaKind) -> tuple[Lock, Purse]:
    if len(_purses) >= MOST_PURSES:
        _purses.clear()
    return _purses.setdefault((client, kind), (Lock(), Purse()))


def _spend(
    client: int, kind: QuotaKind, bucket: Bucket, amounts: Sequence[float]
) -> tuple[int, Purse, float]:
    """Return how many of `amounts` are covered, the purse, and the seconds until the next is."""
    lock, purse = _purse(client, kind)
    with lock:
        now = monotonic()
        if not amounts or now < purse.blocked_until_s:
            return 0, purse, purse.blocked_until_s - now
        if purse.stock(now) < sum(amounts):
            _lease(client, kind, bucket, purse, amounts)
        count = purse.spend(amounts, now := monotonic())
        if count == len(amounts):
            return count, purse, 0.0
        wait_s = refill_s(bucket, purse.level(now), amounts[count]) or RECOUNT_S
        purse.block(wait_s if bucket.per_s else RECOUNT_S, now)
        return count, purse, wait_s


def _lease(client: int, kind: QuotaKind, bucket: Bucket, purse: Purse, amounts: Sequence[float]) -> None:
    stock = purse.stock(monotonic())
    values: dict[str, Any] = {
        "client": client,
        "kind": kind.value,
        "burst": bucket.burst,
        "per_s": bucket.per_s,
        "least": max(0.0, amounts[0] - stock),
        "want": sum(amounts) - stock + bucket.ahead,
    }
    lease = _take(values)
    given = lease.given
    if not bucket.per_s and stock + given < sum(amounts):
        once_more(lambda: _recount(values))
        lease = _take(values | {"want": values["want"] - given})
        given += lease.given
    purse.put(given, lease.level, monotonic())


def _take(values: dict[str, Any]) -> _Lease:
    leases = fetch_all(_TAKE, values)
    if not leases:
        fetch_all(_MAKE, {name: values[name] for name in ("client", "kind", "burst")})
        leases = fetch_all(_TAKE, values)
    return leases[0]


def _recount(values: dict[str, Any]) -> None:
    with transaction.atomic():
        execute(_BY_INDEX)
        execute(_RECOUNT, values | {"live": _LIVE})


def _refusal(kind: QuotaKind, bucket: Bucket, wait_s: float) -> QuotaExceededError:
    limit = _LIMITS[kind].format(per_s=bucket.per_s, burst=bucket.burst)
    retry_after_s = max(1, math.ceil(wait_s))
    return QuotaExceededError(
        f"{limit}. Send the rest again in {retry_after_s} s, or ask an operator for more.",
        retry_after_s=retry_after_s,
        quota=kind.value,
    )
