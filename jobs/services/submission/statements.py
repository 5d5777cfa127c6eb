"""The statements that store accepted jobs: Job, JobInput, Outbox and the Event of each call in one.

INSERT_ONE     a job: plain values and no arrays, 0.57 ms against 0.82 ms a job
INSERT_MANY    the jobs of one call, with one Event for all
INSERT_JOINED  a job of each of several calls, also of different clients, with an Event each

Each has further texts, by SideRows, that store Routes too, or copies for a shadow. Calls whose jobs have none
of these keep the first.
"""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from jobs.db.statement import Statement
from jobs.services.lifecycle.enqueue import outbox_insert

JOB_COLUMNS: LiteralString = """
id, client_id, version_id, queue, priority, state, max_attempts, size, deadline, idempotency_key,
request_digest, keep_days
"""
UNLESS_THERE: LiteralString = """
ON CONFLICT DO NOTHING
RETURNING id, client_id, version_id, queue, priority, state, epoch, size, deadline, created_at, keep_days
"""
WITH_INPUT: LiteralString = "job JOIN input ON input.job_id = job.id"
AT_ONCE: LiteralString = "statement_timestamp()"
# Jobs of one call in their order: among equal times, an index has the order of free places in the table.
IN_TURN: LiteralString = f"{AT_ONCE} + row_number() OVER (ORDER BY job.id) * interval '1 microsecond'"
EVENT: LiteralString = """
  INSERT INTO jobs_event (job_id, kind, actor, epoch, detail, address, token)
  SELECT CASE WHEN %(alone)s::bool THEN id END, %(kind)s, %(actor)s, CASE WHEN %(alone)s::bool THEN 0 END,
    %(audit)s::text::jsonb, %(address)s::inet, %(token)s::bigint
  FROM job WHERE %(audit)s::text IS NOT NULL LIMIT 1
"""
EVENT_OF_EACH: LiteralString = """
  INSERT INTO jobs_event (job_id, kind, actor, epoch, detail, address, token)
  SELECT id, %(kind)s, g.actor, 0, g.audit::jsonb, g.address, g.token FROM job JOIN given g USING (id)
"""
# The keys of a job whose version encrypts; `job` are the new jobs.
KEYS: LiteralString = "INSERT INTO jobs_jobkey (job_id, wrapped, answer)"
# The routes of jobs that a rule or a circuit's fallback decided; only calls with one insert them.
ROUTES: LiteralString = "INSERT INTO jobs_route (job_id, rollout, rule, version, arm, key, counted, asked)"
# What many routes have in common is sent once; a job has its place there. A subquery casts an array once.
ROUTE_ARRAYS: LiteralString = ", %(route)b::int[], %(sticky)b::bigint[]"
ROUTE_NAMES: LiteralString = ", route, sticky"
ROUTES_OF_GIVEN: LiteralString = f"""routes AS (
  {ROUTES}
  SELECT id, (SELECT %(rollouts)b::bigint[])[g.route], (SELECT %(rules)b::bigint[])[g.route],
    (SELECT %(decided)b::bigint[])[g.route], (SELECT %(arms)b::text[])[g.route], g.sticky,
    (SELECT %(counts)b::bool[])[g.route], (SELECT %(asked)b::text[])[g.route]
  FROM job JOIN given g USING (id) WHERE g.route IS NOT NULL
), """  # noqa: S608  # built from our own constants
# Copies for the shadow of a rule, as long as it takes any and has a keeper, which alone drops some.
COPIES: LiteralString = "INSERT INTO jobs_shadowcopy (job_id, rule)"
TAKES_COPIES: LiteralString = """
EXISTS (SELECT FROM jobs_shadow s
  WHERE s.rule = {} AND s.takes AND s.looked_at > now() - interval '60 seconds')
"""
COPY_ARRAYS: LiteralString = ", %(shadow)b::bigint[]"
COPY_NAMES: LiteralString = ", shadow"
_COPY_OF_ONE: LiteralString = f"""copies AS (
  {COPIES} SELECT id, %(shadow)s::bigint FROM job WHERE {TAKES_COPIES.format("%(shadow)s::bigint")}
), """  # noqa: S608  # built from our own constants
_ROUTE_OF_ONE: LiteralString = f"""routes AS (
  {ROUTES}
  SELECT id, %(rollout)s::bigint, %(rule)s::bigint, %(decided)s::bigint, %(arm)s, %(sticky)s::bigint,
    %(counted)s, %(asked)s
  FROM job
), """  # noqa: S608  # built from our own constants
_MADE: LiteralString = "SELECT id, created_at FROM job"


def _rest(event: LiteralString, *, due: LiteralString) -> LiteralString:
    return f"outbox AS ({outbox_insert(WITH_INPUT, due=due)}), event AS ({event}) {_MADE}"


class SideRows(NamedTuple):
    """What jobs of a call have beside their own rows: Routes, and copies for a shadow."""

    routes: bool = False
    copies: bool = False

    @classmethod
    def all_of_them(cls) -> tuple[SideRows, ...]:
        """Return each that there may be."""
        return tuple(cls(routes, copies) for routes in (False, True) for copies in (False, True))


class MadeJob(NamedTuple):
    """A row that an insert made."""

    id: UUID
    created_at: datetime


def _insert_one(sides: LiteralString = "") -> LiteralString:
    return f"""
WITH job AS (
  INSERT INTO jobs_job ({JOB_COLUMNS})
  VALUES (%(id)s, %(client)s, %(version)s, %(queue)s, %(priority)s, %(state)s, %(max_attempts)s, %(size)s,
    now() + make_interval(secs => %(deadline_s)s), %(key)s, %(digest)s, %(keep_days)s)
  {UNLESS_THERE}
), input AS (
  INSERT INTO jobs_jobinput (job_id, keep_days, body, parameters, metadata, encoding, variant, output_form,
    traceparent)
  SELECT id, keep_days, %(body)s, %(parameters)s, %(metadata)s, %(encoding)s, %(variant)s, %(output_form)s,
    %(traceparent)s
  FROM job
  RETURNING job_id, parameters, variant, traceparent
), keys AS (
  {KEYS} SELECT id, %(wrapped)s::bytea, %(answer)s::bytea FROM job WHERE %(wrapped)s::bytea IS NOT NULL
), {sides}{_rest(EVENT, due=AT_ONCE)}
"""  # noqa: S608  # built from our own constants


def _insert_rows(
    event: LiteralString,
    *,
    client: LiteralString,
    arrays: LiteralString = "",
    names: LiteralString = "",
    sides: LiteralString = "",
) -> LiteralString:
    """Return the SQL that stores the jobs of arrays, with more `arrays` under the `names` in `given`.

    `sides` stores what stands beside the jobs.
    """
    return f"""
WITH given AS MATERIALIZED (
  SELECT * FROM unnest(%(id)b::uuid[], %(version)b::bigint[], %(queue)b::text[], %(priority)b::smallint[],
    %(max_attempts)b::smallint[], %(size)b::int[], %(deadline_s)b::float8[], %(key)b::text[],
    %(digest)b::bytea[], %(body)b::bytea[], %(parameters)b::bytea[], %(metadata)b::bytea[],
    %(encoding)b::text[], %(variant)b::int[], %(keep_days)b::smallint[], %(wrapped)b::bytea[],
    %(answer)b::bytea[], %(output_form)b::text[], %(traceparent)b::text[]{arrays})
  AS g (id, version, queue, priority, max_attempts, size, deadline_s, key, digest, body, parameters, metadata,
    encoding, variant, keep_days, wrapped, answer, output_form, traceparent{names})
), job AS (
  INSERT INTO jobs_job ({JOB_COLUMNS})
  SELECT id, {client}, version, queue, priority, %(state)s, max_attempts, size,
    now() + make_interval(secs => deadline_s), key, digest, keep_days FROM given
  {UNLESS_THERE}
), input AS (
  INSERT INTO jobs_jobinput (job_id, keep_days, body, parameters, metadata, encoding, variant, output_form,
    traceparent)
  SELECT g.id, job.keep_days, g.body, g.parameters, g.metadata, g.encoding, g.variant, g.output_form,
    g.traceparent
  FROM job JOIN given g USING (id)
  RETURNING job_id, parameters, variant, traceparent
), keys AS (
  {KEYS} SELECT id, g.wrapped, g.answer FROM job JOIN given g USING (id) WHERE g.wrapped IS NOT NULL
), {sides}{_rest(event, due=IN_TURN)}
"""  # noqa: S608  # built from our own constants


_OF_CALL: LiteralString = "%(client)s"
_CALL_ARRAYS: LiteralString = (
    ", %(client)b::bigint[], %(actor)b::text[], %(address)b::inet[], %(token)b::bigint[], %(audit)b::text[]"
)
_CALL_NAMES: LiteralString = ", client, actor, address, token, audit"


def _copies_of(these: LiteralString) -> LiteralString:
    return f"""copies AS (
  {COPIES}
  SELECT id, g.shadow FROM job JOIN given g USING (id)
  WHERE g.shadow IS NOT NULL AND {these} AND {TAKES_COPIES.format("g.shadow")}
), """  # noqa: S608  # built from our own constants


def given_with(
    rows: SideRows, *, run: LiteralString = "true"
) -> tuple[LiteralString, LiteralString, LiteralString]:
    """Return the arrays of side rows, their names in `given`, and the SQL that stores them.

    `run` is the condition of the jobs that will run, which alone are copied.
    """
    arrays, names, stored = "", "", ""
    if rows.routes:
        arrays, names, stored = arrays + ROUTE_ARRAYS, names + ROUTE_NAMES, stored + ROUTES_OF_GIVEN
    if rows.copies:
        arrays, names, stored = arrays + COPY_ARRAYS, names + COPY_NAMES, stored + _copies_of(run)
    return arrays, names, stored


def _one(rows: SideRows) -> Statement[MadeJob]:
    routes = _ROUTE_OF_ONE if rows.routes else ""
    return Statement(_insert_one(routes + _COPY_OF_ONE if rows.copies else routes), MadeJob)


def _many(rows: SideRows) -> Statement[MadeJob]:
    arrays, names, stored = given_with(rows)
    return Statement(_insert_rows(EVENT, client=_OF_CALL, arrays=arrays, names=names, sides=stored), MadeJob)


def _joined(rows: SideRows) -> Statement[MadeJob]:
    arrays, names, stored = given_with(rows)
    arrays, names = _CALL_ARRAYS + arrays, _CALL_NAMES + names
    return Statement(
        _insert_rows(EVENT_OF_EACH, client="client", arrays=arrays, names=names, sides=stored), MadeJob
    )


INSERT_ONE = {rows: _one(rows) for rows in SideRows.all_of_them()}
INSERT_MANY = {rows: _many(rows) for rows in SideRows.all_of_them()}
INSERT_JOINED = {rows: _joined(rows) for rows in SideRows.all_of_them()}


class EarlierJob(NamedTuple):
    """A job that stands under an idempotency key or id; `source` is the job whose result answered it."""

    id: UUID
    state: str
    queue: str
    version: str
    attempts: int
    created_at: datetime
    idempotency_key: str | None
    request_digest: bytes | None
    source: UUID | None


EARLIER = Statement(
    """
SELECT j.id, j.state, j.queue, v.version, j.attempts, j.created_at, j.idempotency_key, j.request_digest,
  r.source
FROM jobs_job j JOIN models_registry_modelversion v ON v.id = j.version_id
LEFT JOIN LATERAL (SELECT source FROM jobs_jobresult WHERE job_id = j.id LIMIT 1) r ON true
WHERE j.client_id = %(client)s AND (j.id = ANY(%(ids)s) OR j.idempotency_key = ANY(%(keys)s))
""",
    EarlierJob,
)


class KeyedJob(NamedTuple):
    """An idempotency key of a client, and the digest of the request that used it."""

    idempotency_key: str
    request_digest: bytes | None


KEYED_BEFORE = Statement(
    """
SELECT idempotency_key, request_digest FROM jobs_job
WHERE client_id = %(client)s AND idempotency_key = ANY(%(keys)s)
""",
    KeyedJob,
)
