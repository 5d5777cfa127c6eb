"""Holds clients to their quotas: a process spends the tokens it took ahead, then takes more in Postgres.

A bucket is one unlogged row shared by all web processes, so no token is spent twice. The jobs that a client
has in flight are counted again, among a bounded number of its newest jobs, when its bucket seems empty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Lock
from time import monotonic
from typing import Any, LiteralString, NamedTuple

from django.db import transaction

from jobs.core.admission.quota import Bucket, LocalBucket, QuotaKind, headers, refill_s
from jobs.core.errors import QuotaExceededError
from jobs.core.states import Verb, sources
from jobs.db.statement import Statement, execute, fetch_all, once_more
from jobs.services.access.owner import Owner

RECOUNT_S = 0.1  # the jobs of a client at its limit are counted no more often
MOST_LOCAL = 10_000
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


# It updates one row and reads nothing older than its lock, so two processes never get the same tokens.
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
# Only so many of the newest jobs are read; older live ones are not counted. The client is an array and comes
# first in the order, so that no plan walks past the jobs of all other clients.
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
_local_buckets: dict[tuple[int, QuotaKind], tuple[Lock, LocalBucket]] = {}


def within_quota(owner: Owner, sizes: Sequence[int]) -> tuple[int, QuotaExceededError | None]:
    """Return how many jobs of a call, from the first on, the client may send, and the refusal of the others.

    `sizes` are the bytes of input of each job.
    """
    allowed, refusal = len(sizes), None
    spent: list[tuple[LocalBucket, Sequence[float]]] = []
    for kind, bucket in owner.quota.buckets():
        amounts = [float(size) for size in sizes] if kind is QuotaKind.BYTES else [1.0] * len(sizes)
        count, local, wait_s = _spend(owner.id, kind, bucket, amounts[:allowed])
        spent.append((local, amounts[:count]))
        if count < allowed:
            allowed, refusal = count, _refusal(kind, bucket, wait_s)
    for local, paid in spent:
        local.give_back(sum(paid[allowed:]))
    return allowed, refusal


def charge_run(owner: Owner) -> None:
    """Take one job without input from its client's quotas, for a replay; QuotaExceededError."""
    _, refusal = within_quota(owner, [0])
    if refusal is not None:
        raise refusal


def charge_bytes(owner: Owner, size: int) -> None:
    """Take the bytes of an upload from its client's quota; QuotaExceededError where they exceed it."""
    for kind, bucket in owner.quota.buckets():
        if kind is QuotaKind.BYTES:
            count, _, wait_s = _spend(owner.id, kind, bucket, [float(size)])
            if not count:
                raise _refusal(kind, bucket, wait_s)


def quota_headers(owner: Owner) -> dict[str, str]:
    """Return the headers that tell a client how much it may still send; none without a quota."""
    now = monotonic()
    remaining = [
        (kind, bucket, _local(owner.id, kind)[1].remaining(bucket, now))
        for kind, bucket in owner.quota.buckets()
    ]
    return headers(remaining) if remaining else {}


def forget_quotas() -> None:
    """Drop all tokens that this process has taken ahead."""
    _local_buckets.clear()


def _local(client: int, kind: QuotaKind) -> tuple[Lock, LocalBucket]:
    if len(_local_buckets) >= MOST_LOCAL:
        _local_buckets.clear()
    return _local_buckets.setdefault((client, kind), (Lock(), LocalBucket()))


def _spend(
    client: int, kind: QuotaKind, bucket: Bucket, amounts: Sequence[float]
) -> tuple[int, LocalBucket, float]:
    """Return how many of `amounts` are covered, the local bucket, and in how many seconds the next is."""
    lock, local = _local(client, kind)
    with lock:
        now = monotonic()
        if not amounts or now < local.blocked_until_s:
            return 0, local, local.blocked_until_s - now
        if local.stock(now) < sum(amounts):
            _lease(client, kind, bucket, local, amounts)
        count = local.spend(amounts, now := monotonic())
        if count == len(amounts):
            return count, local, 0.0
        wait_s = refill_s(bucket, local.level(now), amounts[count]) or RECOUNT_S
        local.block(wait_s if bucket.per_s else RECOUNT_S, now)
        return count, local, wait_s


def _lease(
    client: int, kind: QuotaKind, bucket: Bucket, local: LocalBucket, amounts: Sequence[float]
) -> None:
    """Take tokens for `amounts` and a little ahead; jobs in flight are counted again if they fall short."""
    stock = local.stock(monotonic())
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
    local.put(given, lease.level, monotonic())


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
