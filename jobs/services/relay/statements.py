"""The relay's statements on the outbox; each is a transaction of its own, so no lock outlives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

import sqlalchemy as sa

from jobs.core.messages.envelope import Envelope
from jobs.core.relay.publish_policy import VISIBILITY_CAP_S, VISIBILITY_S

NOTHING: Mapping[tuple[int, int], int] = MappingProxyType({})
LEAST_A_CLIENT = 32  # rows looked at, however many clients there are


@dataclass(frozen=True, slots=True)
class Taken:
    """A row that was taken for publishing, how long it has been due, whether it is a retry.

    `turn` is its number among its client's jobs of this priority, those in flight counted.
    """

    envelope: Envelope
    late_s: float
    retry: bool = False
    turn: int = 1

    @property
    def version(self) -> int:
        """Return the row id of the job's model version."""
        return self.envelope.version


# Grows with each publish of the same epoch; the exponent is bounded because 2^n is not.
_VISIBILITY = """
make_interval(secs => LEAST(
        CAST(:cap_s AS double precision), :base_s * power(2, LEAST(outbox.published, 16))))
"""

# Takes the rows of `chosen`; one that a claim, cancel or expiry is deleting right now is passed over.
_TAKE = f"""
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
RETURNING outbox.job_id, outbox.epoch, outbox.version_id, outbox.priority, outbox.size,
    outbox.client, outbox.variant, CAST(extract(epoch FROM outbox.deadline) AS double precision) AS deadline,
    outbox.apart, outbox.retry, locked.turn,
    CAST(extract(epoch FROM now() - locked.due) AS double precision) AS late_s
"""  # noqa: S608  # built from constants of this file

# The clients of a priority are found by a probe each, and their rows by another: in a range over several the
# rows that are not due yet would be read as well. The clients take turns, who has least in flight first.
# The rows before a row are at its level or above, so its number is held against its room.
_TAKE_FRESH = sa.text(f"""
WITH RECURSIVE level AS (
    SELECT * FROM unnest(CAST(:priorities AS smallint[]), CAST(:rooms AS integer[])) AS level(priority, room)
),
held AS (
    SELECT * FROM unnest(CAST(:levels AS smallint[]), CAST(:clients AS integer[]), CAST(:counts AS integer[]))
        AS held(priority, client, count)
),
who AS (
    SELECT level.priority, first.client FROM level CROSS JOIN LATERAL (
        SELECT client FROM jobs_outbox WHERE queue = :queue AND priority = level.priority
        ORDER BY client LIMIT 1
    ) AS first
    UNION ALL
    SELECT who.priority, next.client FROM who CROSS JOIN LATERAL (
        SELECT client FROM jobs_outbox
        WHERE queue = :queue AND priority = who.priority AND client > who.client ORDER BY client LIMIT 1
    ) AS next
),
candidate AS (
    SELECT ready.job_id, ready.due, level.priority, level.room, COALESCE(held.count, 0)
        + row_number() OVER (PARTITION BY who.priority, who.client ORDER BY ready.due) AS turn
    FROM who JOIN level USING (priority) LEFT JOIN held USING (priority, client)
    CROSS JOIN LATERAL (
        SELECT job_id, due FROM jobs_outbox
        WHERE queue = :queue AND priority = who.priority AND client = who.client
            AND due <= now() AND published = 0
        ORDER BY due LIMIT LEAST(:most, (SELECT GREATEST(:least, 2 * :most / count(*)) FROM who),
            GREATEST(level.room, :reserve - COALESCE(held.count, 0)))
    ) AS ready
),
numbered AS (
    SELECT *, row_number() OVER (ORDER BY priority DESC, turn, due) AS number FROM candidate
),
chosen AS MATERIALIZED (
    SELECT job_id, due, turn FROM numbered WHERE number <= :most AND (number <= room OR turn <= :reserve)
),
{_TAKE}
""")  # noqa: S608

_OVERDUE = """
SELECT job_id, due, CAST(:most AS bigint) AS turn FROM jobs_outbox
WHERE queue = :queue AND published > 0 AND due <= now()
ORDER BY priority DESC, due LIMIT :most
"""

_ANY_OVERDUE = sa.text("""
SELECT EXISTS (SELECT FROM jobs_outbox WHERE queue = :queue AND published > 0 AND due <= now())
""")

_TAKE_OVERDUE = sa.text(f"WITH chosen AS MATERIALIZED ({_OVERDUE}), {_TAKE}")

_POSTPONE = sa.text(f"""
WITH chosen AS MATERIALIZED ({_OVERDUE}),
locked AS (SELECT job_id FROM chosen JOIN jobs_outbox USING (job_id) FOR UPDATE OF jobs_outbox SKIP LOCKED)
UPDATE jobs_outbox AS outbox SET due = now() + make_interval(secs => :delay_s)
FROM locked WHERE outbox.job_id = locked.job_id
""")  # noqa: S608

_IN_FLIGHT = sa.text("""
SELECT priority, client, count(*) AS waiting FROM jobs_outbox
WHERE queue = :queue AND published > 0 GROUP BY priority, client
""")

_GIVE_BACK = sa.text("""
WITH failed AS (
    SELECT outbox.job_id
    FROM unnest(CAST(:jobs AS uuid[]), CAST(:epochs AS integer[])) AS given(job_id, epoch)
    JOIN jobs_outbox AS outbox USING (job_id, epoch)
    FOR UPDATE OF outbox SKIP LOCKED
)
UPDATE jobs_outbox AS outbox
SET due = now() + make_interval(secs => :delay_s),
    published = CASE WHEN :absent THEN GREATEST(outbox.published - 1, 0) ELSE outbox.published END
FROM failed WHERE outbox.job_id = failed.job_id
""")

_RECALL = sa.text("""
WITH chosen AS (
    SELECT job_id, priority, due FROM jobs_outbox WHERE queue = :queue AND published > 0
    LIMIT :most FOR UPDATE SKIP LOCKED
),
numbered AS (SELECT job_id, row_number() OVER (ORDER BY priority DESC, due) AS number FROM chosen)
UPDATE jobs_outbox AS outbox
SET due = now() + make_interval(secs => (number - 1) / CAST(:per_s AS double precision)), published = 0
FROM numbered WHERE outbox.job_id = numbered.job_id
""")


def in_flight(connection: sa.Connection, queue: str) -> Counter[tuple[int, int]]:
    """Count the queue's jobs that were published and not yet claimed, by API priority and client."""
    rows = connection.execute(_IN_FLIGHT, {"queue": queue})
    return Counter({(row.priority, row.client): row.waiting for row in rows})


def take_fresh(
    connection: sa.Connection,
    queue: str,
    *,
    rooms: Mapping[int, int],
    most: int,
    held: Mapping[tuple[int, int], int] = NOTHING,
    reserve: int = 0,
) -> list[Taken]:
    """Take due rows that are not in flight: highest priority first, clients in turn, then longest due.

    They are taken within `rooms`, but for the first `reserve` of a client; `held` counts what is in flight,
    by priority and client.
    """
    levels = {"priorities": list(rooms), "rooms": list(rooms.values())}
    counted = {
        "levels": [priority for priority, _ in held],
        "clients": [client for _, client in held],
        "counts": list(held.values()),
    }
    bounds = {"queue": queue, "most": most, "least": LEAST_A_CLIENT, "reserve": reserve}
    return _taken(connection, _TAKE_FRESH, {**bounds, **levels, **counted})


def any_overdue(connection: sa.Connection, queue: str) -> bool:
    """Say whether a message in flight has outlived its visibility time."""
    return bool(connection.execute(_ANY_OVERDUE, {"queue": queue}).scalar_one())


def take_overdue(connection: sa.Connection, queue: str, *, most: int) -> list[Taken]:
    """Take rows that were published and whose visibility time is over, highest priority first."""
    return _taken(connection, _TAKE_OVERDUE, {"queue": queue, "most": most})


def postpone_overdue(connection: sa.Connection, queue: str, *, most: int, delay_s: float) -> int:
    """Give rows whose visibility time is over another `delay_s` seconds, unpublished; return how many."""
    values = {"queue": queue, "most": most, "delay_s": delay_s}
    return connection.execute(_POSTPONE, values).rowcount


def give_back(
    connection: sa.Connection, envelopes: Collection[Envelope], *, absent: bool, delay_s: float
) -> None:
    """Make taken rows due in `delay_s` seconds; `absent` says that the broker surely has no message."""
    jobs: list[UUID] = [envelope.job for envelope in envelopes]
    epochs = [envelope.epoch for envelope in envelopes]
    values = {"jobs": jobs, "epochs": epochs, "absent": absent, "delay_s": delay_s}
    connection.execute(_GIVE_BACK, values)


def recall(connection: sa.Connection, queue: str, *, most: int, per_s: float) -> int:
    """Make up to `most` messages in flight fresh again, because the broker lost them; return how many.

    They become due `per_s` a second, the highest priority first.
    """
    return connection.execute(_RECALL, {"queue": queue, "most": most, "per_s": per_s}).rowcount


def _taken(connection: sa.Connection, statement: sa.TextClause, values: Mapping[str, object]) -> list[Taken]:
    times = {"base_s": VISIBILITY_S, "cap_s": VISIBILITY_CAP_S}
    rows = connection.execute(statement, {**times, **values})
    taken = [Taken(Envelope(*said), late_s, retry, turn) for *said, retry, turn, late_s in rows]
    return sorted(taken, key=lambda row: (-row.envelope.priority, row.turn, -row.late_s))
