"""The relay's statements on the outbox. Every statement is its own transaction, so no lock outlives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import LiteralString, NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa

from jobs.core.messages.envelope import Envelope
from jobs.core.relay.publish_policy import VISIBILITY_CAP_S, VISIBILITY_S
from jobs.db.statement import Statement, count, run

NOTHING: Mapping[tuple[int, int], int] = MappingProxyType({})
LEAST_A_CLIENT = 32  # rows looked at, however many clients there are


@dataclass(frozen=True, slots=True)
class DueRow:
    """A row that is taken for publishing; `late_s` is how long it has been due.

    `turn` is its number among its client's jobs of this priority, including those in flight.
    """

    envelope: Envelope
    late_s: float
    retry: bool = False
    turn: int = 1

    @property
    def version(self) -> int:
        """Return the row id of the job's model version."""
        return self.envelope.version


# There are up to a thousand at once, which the garbage collector need not track.
class _TakenRow(msgspec.Struct, frozen=True, gc=False):
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
    turn: int
    late_s: float

    def due_row(self) -> DueRow:
        envelope = Envelope(
            self.job, self.epoch, self.version, self.priority, self.size, self.client, self.variant,
            self.deadline, self.apart,
        )  # fmt: skip
        return DueRow(envelope, self.late_s, self.retry, self.turn)


# Grows with every publish of the same epoch; the exponent is bounded because 2^n is not.
_VISIBILITY: LiteralString = """
make_interval(secs => LEAST(
        %(cap_s)s::float8, %(base_s)s * power(2, LEAST(outbox.published, 16))))
"""

# Takes the rows of `chosen`, but none that a claim, cancel or expiry is deleting at this moment.
_TAKE: LiteralString = f"""
locked AS (
    SELECT outbox.job_id, chosen.due, chosen.turn
    FROM chosen JOIN jobs_outbox AS outbox USING (job_id)
    WHERE outbox.due <= now()
    FOR UPDATE OF outbox SKIP LOCKED
)
UPDATE jobs_outbox AS outbox
SET due = now() + {_VISIBILITY}, published = outbox.published + 1
FROM locked
WHERE outbox.job_id = locked.job_id
RETURNING outbox.job_id AS job, outbox.epoch, outbox.version_id AS version, outbox.priority, outbox.size,
    outbox.client, outbox.variant, extract(epoch FROM outbox.deadline)::float8 AS deadline,
    outbox.apart, outbox.retry, locked.turn, extract(epoch FROM now() - locked.due)::float8 AS late_s
"""  # noqa: S608  # built from constants of this file

# One index probe finds a priority's next client, and another that client's rows: a range over several clients
# would also read the rows that are not due yet. The clients take turns, the one with least in flight first.
# All rows before a row are at its level or above, so its number is compared with its level's room.
_TAKE_FRESH = Statement(
    f"""
WITH RECURSIVE level AS (
    SELECT * FROM unnest(%(priorities)s::smallint[], %(rooms)s::integer[]) AS level(priority, room)
),
held AS (
    SELECT * FROM unnest(%(levels)s::smallint[], %(clients)s::integer[], %(counts)s::integer[])
        AS held(priority, client, count)
),
who AS (
    SELECT level.priority, first.client FROM level CROSS JOIN LATERAL (
        SELECT client FROM jobs_outbox WHERE queue = %(queue)s AND priority = level.priority
        ORDER BY client LIMIT 1
    ) AS first
    UNION ALL
    SELECT who.priority, next.client FROM who CROSS JOIN LATERAL (
        SELECT client FROM jobs_outbox
        WHERE queue = %(queue)s AND priority = who.priority AND client > who.client ORDER BY client LIMIT 1
    ) AS next
),
candidate AS (
    SELECT ready.job_id, ready.due, level.priority, level.room, COALESCE(held.count, 0)
        + row_number() OVER (PARTITION BY who.priority, who.client ORDER BY ready.due) AS turn
    FROM who JOIN level USING (priority) LEFT JOIN held USING (priority, client)
    CROSS JOIN LATERAL (
        SELECT job_id, due FROM jobs_outbox
        WHERE queue = %(queue)s AND priority = who.priority AND client = who.client
            AND due <= now() AND published = 0
        ORDER BY due LIMIT LEAST(%(most)s, (SELECT GREATEST(%(least)s, 2 * %(most)s / count(*)) FROM who),
            GREATEST(level.room, %(reserve)s - COALESCE(held.count, 0)))
    ) AS ready
),
numbered AS (
    SELECT *, row_number() OVER (ORDER BY priority DESC, turn, due) AS number FROM candidate
),
chosen AS MATERIALIZED (
    SELECT job_id, due, turn FROM numbered
    WHERE number <= %(most)s AND (number <= room OR turn <= %(reserve)s)
),
{_TAKE}
""",  # noqa: S608
    _TakenRow,
)

_OVERDUE: LiteralString = """
SELECT job_id, due, %(most)s::bigint AS turn FROM jobs_outbox
WHERE queue = %(queue)s AND published > 0 AND due <= now()
ORDER BY priority DESC, due LIMIT %(most)s
"""

_ANY_OVERDUE = Statement(
    """
SELECT EXISTS (SELECT FROM jobs_outbox WHERE queue = %(queue)s AND published > 0 AND due <= now())
""",
    bool,
)

_TAKE_OVERDUE = Statement(f"WITH chosen AS MATERIALIZED ({_OVERDUE}), {_TAKE}", _TakenRow)

_POSTPONE = Statement(f"""
WITH chosen AS MATERIALIZED ({_OVERDUE}),
locked AS (SELECT job_id FROM chosen JOIN jobs_outbox USING (job_id) FOR UPDATE OF jobs_outbox SKIP LOCKED)
UPDATE jobs_outbox AS outbox SET due = now() + make_interval(secs => %(delay_s)s)
FROM locked WHERE outbox.job_id = locked.job_id
""")  # noqa: S608


class _InFlight(NamedTuple):
    priority: int
    client: int
    jobs: int


_IN_FLIGHT = Statement(
    """
SELECT priority, client, count(*) AS jobs FROM jobs_outbox
WHERE queue = %(queue)s AND published > 0 GROUP BY priority, client
""",
    _InFlight,
)

_GIVE_BACK = Statement("""
WITH failed AS (
    SELECT outbox.job_id
    FROM unnest(%(jobs)s::uuid[], %(epochs)s::integer[]) AS failure(job_id, epoch)
    JOIN jobs_outbox AS outbox USING (job_id, epoch)
    FOR UPDATE OF outbox SKIP LOCKED
)
UPDATE jobs_outbox AS outbox
SET due = now() + make_interval(secs => %(delay_s)s),
    published = CASE WHEN %(absent)s THEN GREATEST(outbox.published - 1, 0) ELSE outbox.published END
FROM failed WHERE outbox.job_id = failed.job_id
""")

_RECALL = Statement("""
WITH chosen AS (
    SELECT job_id, priority, due FROM jobs_outbox WHERE queue = %(queue)s AND published > 0
    LIMIT %(most)s FOR UPDATE SKIP LOCKED
),
numbered AS (SELECT job_id, row_number() OVER (ORDER BY priority DESC, due) AS number FROM chosen)
UPDATE jobs_outbox AS outbox
SET due = now() + make_interval(secs => (number - 1) / %(per_s)s::float8), published = 0
FROM numbered WHERE outbox.job_id = numbered.job_id
""")


def in_flight(connection: sa.Connection, queue: str) -> Counter[tuple[int, int]]:
    """Count the queue's jobs that were published and not yet claimed, by API priority and client."""
    rows = run(connection, _IN_FLIGHT, {"queue": queue})
    return Counter({(row.priority, row.client): row.jobs for row in rows})


def take_fresh(
    connection: sa.Connection,
    queue: str,
    *,
    rooms: Mapping[int, int],
    most: int,
    held: Mapping[tuple[int, int], int] = NOTHING,
    reserve: int = 0,
) -> list[DueRow]:
    """Take due rows that are not in flight: highest priority first, clients in turn, then longest due.

    `rooms` bound how many, except for the first `reserve` rows of a client; `held` counts the jobs in flight
    by priority and client.
    """
    levels = {"priorities": list(rooms), "rooms": list(rooms.values())}
    counts = {
        "levels": [priority for priority, _ in held],
        "clients": [client for _, client in held],
        "counts": list(held.values()),
    }
    bounds = {"queue": queue, "most": most, "least": LEAST_A_CLIENT, "reserve": reserve}
    return _taken(connection, _TAKE_FRESH, {**bounds, **levels, **counts})


def any_overdue(connection: sa.Connection, queue: str) -> bool:
    """Return whether a message in flight has outlived its visibility time."""
    (overdue,) = run(connection, _ANY_OVERDUE, {"queue": queue})
    return overdue


def take_overdue(connection: sa.Connection, queue: str, *, most: int) -> list[DueRow]:
    """Take rows that were published and whose visibility time is over, highest priority first."""
    return _taken(connection, _TAKE_OVERDUE, {"queue": queue, "most": most})


def postpone_overdue(connection: sa.Connection, queue: str, *, most: int, delay_s: float) -> int:
    """Give rows whose visibility time is over another `delay_s` seconds, unpublished; return how many."""
    return count(connection, _POSTPONE, {"queue": queue, "most": most, "delay_s": delay_s})


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
    run(connection, _GIVE_BACK, parameters)


def recall(connection: sa.Connection, queue: str, *, most: int, per_s: float) -> int:
    """Make up to `most` messages in flight fresh again, because the broker lost them; return how many.

    They become due `per_s` a second, the highest priority first.
    """
    return count(connection, _RECALL, {"queue": queue, "most": most, "per_s": per_s})


def _taken(
    connection: sa.Connection, statement: Statement[_TakenRow], parameters: Mapping[str, object]
) -> list[DueRow]:
    visibility = {"base_s": VISIBILITY_S, "cap_s": VISIBILITY_CAP_S}
    rows = [row.due_row() for row in run(connection, statement, {**visibility, **parameters})]
    return sorted(rows, key=lambda row: (-row.envelope.priority, row.turn, -row.late_s))
