"""The relay's statements on the outbox. Every statement is its own transaction, so no lock outlives it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import LiteralString, NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa

from jobs.core.messages.envelope import Envelope
from jobs.core.relay.publish_policy import VISIBILITY_CAP_S, VISIBILITY_S
from jobs.db.leases import HELD, fence_of
from jobs.db.session_settings import COMMITS_LATER
from jobs.db.statement import Statement, count, run
from jobs.services.relay.group_statements import FreshGroups, arrays, every_group

NOTHING: Mapping[tuple[int, int], int] = MappingProxyType({})
_NEVER_S = 4e9  # a time that no job is due after
LEAST_A_CLIENT = 32  # rows looked at, however many clients there are


class DueRow(msgspec.Struct, frozen=True, gc=False):
    """A row that is taken for publishing; `late_s` is how long it has been due.

    `turn` is its number among its client's jobs of this priority, including those in flight; `traceparent`
    the span that made a traced job.
    """

    envelope: Envelope
    late_s: float
    retry: bool = False
    turn: int = 1
    traceparent: str | None = None

    @property
    def version(self) -> int:
        """Return the row id of the job's model version."""
        return self.envelope.version

    @property
    def size(self) -> int:
        """Return the size of the job's input."""
        return self.envelope.size

    @property
    def client(self) -> int:
        """Return the id of the job's owner."""
        return self.envelope.client


# There are up to a thousand at once, which the garbage collector need not track.
class TakenRow(msgspec.Struct, frozen=True, gc=False):
    """A row as the take returns it."""

    job: UUID
    epoch: int
    version: int
    priority: int
    size: int
    client: int
    variant: int
    deadline: float | None
    apart: int
    retry: bool
    traceparent: str | None

    def due_row(self, turn: int, late_s: float) -> DueRow:
        """Return the row to publish."""
        envelope = Envelope(
            self.job, self.epoch, self.version, self.priority, self.size, self.client, self.variant,
            self.deadline, self.apart,
        )  # fmt: skip
        return DueRow(envelope, late_s, self.retry, turn, self.traceparent)


# Grows with every publish of the same epoch; the exponent is bounded because 2^n is not.
VISIBILITY: LiteralString = """
make_interval(secs => LEAST(
        %(cap_s)s::float8, %(base_s)s * power(2, LEAST(outbox.published, 16))))
"""

# Takes chosen rows, but none that a claim, cancel or expiry is deleting at this moment. A list of keys leaves
# no plan but probes of the primary key. A join leaves another one, to read all of it, which wins where the
# statistics know few live rows among a million dead ones. The commit is not waited for: what a crash forgets
# is published twice, and one claim wins.
_TAKE = Statement(
    f"""
WITH locked AS (
    SELECT job_id FROM jobs_outbox WHERE job_id = ANY(%(jobs)b::uuid[]) AND due <= now() AND {HELD}
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs_outbox AS outbox
SET due = now() + {VISIBILITY}, published = outbox.published + 1, published_at = now()
WHERE outbox.job_id = ANY(ARRAY(SELECT job_id FROM locked))
  AND {COMMITS_LATER}
RETURNING outbox.job_id AS job, outbox.epoch, outbox.version_id AS version, outbox.priority, outbox.size,
    outbox.client, outbox.variant, extract(epoch FROM outbox.deadline)::float8 AS deadline,
    outbox.apart, outbox.retry, outbox.traceparent
""",  # noqa: S608  # built from constants of this file
    TakenRow,
)


class _ChosenRow(NamedTuple):
    job: UUID
    turn: int
    late_s: float


# A level's clients take turns, the one with least in flight first. Each one's rows are read from where they
# begin, because dead rows may lie before; a client whose first job came a moment ago is found by its `due`.
# All rows before a row are at its level or above, so its number is compared with its level's room. The jobs
# of one call are due at one time; their ids have their order.
_FRESH = Statement(
    """
WITH level AS (
    SELECT * FROM unnest(%(priorities)b::smallint[], %(rooms)b::integer[]) AS level(priority, room)
),
held AS (
    SELECT * FROM unnest(%(levels)b::smallint[], %(clients)b::integer[], %(counts)b::integer[])
        AS held(priority, client, count)
),
who AS MATERIALIZED (
    SELECT priority, client, min(low) AS low FROM (
        SELECT priority, client, to_timestamp(low_s) AS low
        FROM unnest(%(of)b::smallint[], %(whose)b::integer[], %(lows)b::float8[])
            AS known(priority, client, low_s)
        UNION ALL
        SELECT priority, client, min(due) FROM jobs_outbox
        WHERE queue = %(queue)s AND published = 0 AND due > to_timestamp(%(since_s)s::float8) AND due <= now()
        GROUP BY priority, client
    ) AS either GROUP BY priority, client
),
candidate AS (
    SELECT ready.job_id, ready.due, level.priority, level.room, COALESCE(held.count, 0)
        + row_number() OVER (PARTITION BY who.priority, who.client ORDER BY ready.due, ready.job_id) AS turn
    FROM who JOIN level USING (priority) LEFT JOIN held USING (priority, client)
    CROSS JOIN LATERAL (
        SELECT job_id, due FROM jobs_outbox
        WHERE queue = %(queue)s AND priority = who.priority AND client = who.client
            AND due >= who.low AND due <= now() AND published = 0
        ORDER BY due LIMIT LEAST(%(most)s, (SELECT GREATEST(%(least)s, 2 * %(most)s / count(*)) FROM who),
            GREATEST(level.room, %(reserve)s - COALESCE(held.count, 0)))
    ) AS ready
),
numbered AS (
    SELECT *, row_number() OVER (ORDER BY priority DESC, turn, due) AS number FROM candidate
)
SELECT job_id AS job, turn, extract(epoch FROM now() - due)::float8 AS late_s FROM numbered
WHERE number <= %(most)s AND (number <= room OR turn <= %(reserve)s)
""",
    _ChosenRow,
)

_OVERDUE: LiteralString = """
SELECT job_id, due FROM jobs_outbox
WHERE queue = %(queue)s AND published > 0 AND due >= to_timestamp(%(since_s)s::float8) AND due <= now()
ORDER BY priority DESC, due LIMIT %(most)s
"""


_CHOOSE_OVERDUE = Statement(
    f"""
SELECT job_id AS job, %(most)s::bigint AS turn, extract(epoch FROM now() - due)::float8 AS late_s
FROM ({_OVERDUE}) AS overdue
""",  # noqa: S608
    _ChosenRow,
)

_POSTPONE = Statement(f"""
WITH locked AS (
    SELECT job_id FROM jobs_outbox
    WHERE job_id = ANY(ARRAY(SELECT job_id FROM ({_OVERDUE}) AS overdue)) AND {HELD}
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs_outbox AS outbox SET due = now() + make_interval(secs => %(delay_s)s)
WHERE outbox.job_id = ANY(ARRAY(SELECT job_id FROM locked))
""")  # noqa: S608


_GIVE_BACK: Statement[None] = Statement(f"""
WITH failed AS (
    SELECT outbox.job_id
    FROM unnest(%(jobs)b::uuid[], %(epochs)b::integer[]) AS failure(job_id, epoch) CROSS JOIN LATERAL (
        SELECT job_id FROM jobs_outbox
        WHERE job_id = failure.job_id AND epoch = failure.epoch AND published > 0 AND {HELD}
        LIMIT 1 FOR UPDATE SKIP LOCKED
    ) AS outbox
)
UPDATE jobs_outbox AS outbox
SET due = now() + make_interval(secs => %(delay_s)s),
    published = CASE WHEN %(absent)s THEN GREATEST(outbox.published - 1, 0) ELSE outbox.published END
WHERE outbox.job_id = ANY(ARRAY(SELECT job_id FROM failed))
""")  # noqa: S608

_RECALL: Statement[None] = Statement(f"""
WITH chosen AS (
    SELECT job_id, priority, due FROM jobs_outbox WHERE queue = %(queue)s AND published > 0 AND {HELD}
    LIMIT %(most)s FOR UPDATE SKIP LOCKED
),
numbered AS (SELECT job_id, row_number() OVER (ORDER BY priority DESC, due) AS number FROM chosen)
UPDATE jobs_outbox AS outbox
SET due = now() + make_interval(secs => (number - 1) / %(per_s)s::float8), published = 0
FROM numbered WHERE outbox.job_id = numbered.job_id
""")  # noqa: S608


def take_fresh(  # noqa: PLR0913  # the bounds of the look, and where it begins
    connection: sa.Connection,
    queue: str,
    *,
    rooms: Mapping[int, int],
    most: int,
    held: Mapping[tuple[int, int], int] = NOTHING,
    reserve: int = 0,
    fresh: FreshGroups | None = None,
) -> list[DueRow]:
    """Take due rows that are not in flight: highest priority first, clients in turn, then longest due.

    `rooms` bound how many, except for the first `reserve` rows of a client; `held` counts the jobs in flight
    by priority and client. Without `fresh` the groups are looked for from the beginning of their index.
    """
    looked = fresh or FreshGroups(every_group(connection, queue), _NEVER_S)
    levels = {"priorities": list(rooms), "rooms": list(rooms.values())}
    counts = {
        "levels": [priority for priority, _ in held],
        "clients": [client for _, client in held],
        "counts": list(held.values()),
    }
    bounds = {"queue": queue, "most": most, "least": LEAST_A_CLIENT, "reserve": reserve}
    where = {"since_s": looked.since_s, **arrays(looked.known)}
    return _take(connection, run(connection, _FRESH, {**bounds, **levels, **counts, **where}))


def take_overdue(connection: sa.Connection, queue: str, *, most: int, since_s: float = 0.0) -> list[DueRow]:
    """Take rows that were published and whose visibility time is over, highest priority first."""
    chosen = run(connection, _CHOOSE_OVERDUE, {"queue": queue, "most": most, "since_s": since_s})
    return _take(connection, chosen)


def postpone_overdue(
    connection: sa.Connection, queue: str, *, most: int, delay_s: float, since_s: float = 0.0
) -> int:
    """Give rows whose visibility time is over another `delay_s` seconds, unpublished; return how many."""
    values = {"queue": queue, "most": most, "delay_s": delay_s, "since_s": since_s}
    values |= fence_of(connection)
    return count(connection, _POSTPONE, values)


def give_back(
    connection: sa.Connection, envelopes: Collection[Envelope], *, absent: bool, delay_s: float
) -> None:
    """Make taken rows due in `delay_s` seconds; `absent` means that the broker surely has no message."""
    parameters = {
        "jobs": [envelope.job for envelope in envelopes],
        "epochs": [envelope.epoch for envelope in envelopes],
        "absent": absent,
        "delay_s": delay_s,
    }
    run(connection, _GIVE_BACK, {**parameters, **fence_of(connection)})


def recall(connection: sa.Connection, queue: str, *, most: int, per_s: float) -> int:
    """Make up to `most` messages in flight fresh again, because the broker lost them; return how many.

    They become due `per_s` a second, the highest priority first.
    """
    values = {"queue": queue, "most": most, "per_s": per_s, **fence_of(connection)}
    return count(connection, _RECALL, values)


def _take(connection: sa.Connection, chosen: Collection[_ChosenRow]) -> list[DueRow]:
    """Take the chosen rows that are still due and free; a statement of its own locks them."""
    if not chosen:
        return []
    by_job = {row.job: row for row in chosen}
    visibility = {"base_s": VISIBILITY_S, "cap_s": VISIBILITY_CAP_S}
    taken = run(connection, _TAKE, {**visibility, **fence_of(connection), "jobs": list(by_job)})
    rows = [row.due_row(by_job[row.job].turn, by_job[row.job].late_s) for row in taken]
    return in_order(rows)


def in_order(rows: Collection[DueRow]) -> list[DueRow]:
    """Return taken rows in the order in which they are published."""
    return sorted(rows, key=lambda row: (-row.envelope.priority, row.turn, -row.late_s))
