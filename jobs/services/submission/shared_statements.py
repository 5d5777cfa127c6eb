"""The statement that stores jobs which may share: answered from the cache, behind a leader, or leading.

What stands under a job's key decides its role, in one snapshot:

    hit      a fresh result answers it at once: the job is stored as succeeded, with a copy of that result
    follow   an identical job, no less urgent, is in flight: the job waits for it without an Outbox row
    alone    one is in flight and its version does not collapse: the job runs as if there were no cache
    lead     else: the job runs, and from now on it is what others find under the key
    known    the client's idempotency key has a job already: nothing is stored
    unsure   another took the key just now, in this call or beside it: nothing is stored, ask again
"""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

from jobs.db.statement import Statement
from jobs.services.lifecycle.enqueue import outbox_insert
from jobs.services.submission.statements import (
    EVENT,
    IN_TURN,
    JOB_COLUMNS,
    KEYS,
    UNLESS_THERE,
    WITH_INPUT,
    SideRows,
    given_with,
)

LOOK_AGAIN_S = 60  # how long an entry is left to the run that it names before the sweeper looks at it


def _given(arrays: LiteralString = "", names: LiteralString = "") -> LiteralString:
    return f"""
given AS MATERIALIZED (
  SELECT * FROM unnest(%(id)b::uuid[], %(version)b::bigint[], %(queue)b::text[], %(priority)b::smallint[],
    %(max_attempts)b::smallint[], %(size)b::int[], %(deadline_s)b::float8[], %(key)b::text[],
    %(digest)b::bytea[], %(body)b::bytea[], %(parameters)b::bytea[], %(metadata)b::bytea[],
    %(encoding)b::text[], %(variant)b::int[], %(shared)b::bytea[],
    %(ttl_s)b::float8[], %(takes)b::bool[], %(follows)b::bool[], %(keep_days)b::smallint[],
    %(wrapped)b::bytea[], %(answer)b::bytea[], %(output_form)b::text[], %(traceparent)b::text[]{arrays})
  AS g (id, version, queue, priority, max_attempts, size, deadline_s, key, digest, body, parameters,
    metadata, encoding, variant, shared, ttl_s, takes, follows, keep_days, wrapped, answer,
    output_form, traceparent{names})
)
"""  # noqa: S608  # built from our own constants


# The client stands in the key already; asked again, a wrong key cannot show one client another's result.
_SEEN: LiteralString = """
seen AS MATERIALIZED (
  SELECT g.id, entry.job_id AS leader, CASE
    WHEN EXISTS (SELECT FROM jobs_job known WHERE known.id = g.id
      OR (known.client_id = %(client)s AND known.idempotency_key = g.key)) THEN 'known'
    WHEN leader.state = ANY(%(live)s) AND g.follows AND leader.priority >= g.priority THEN 'follow'
    WHEN leader.state = ANY(%(live)s) AND g.takes AND NOT g.follows THEN 'alone'
    WHEN g.takes AND leader.state = %(succeeded)s
      AND leader.finished_at > now() - make_interval(secs => entry.ttl_s)
      AND EXISTS (SELECT FROM jobs_jobresult result WHERE result.job_id = leader.id LIMIT 1)
      AND (g.wrapped IS NULL OR EXISTS (SELECT FROM jobs_jobkey WHERE job_id = leader.id)) THEN 'hit'
    ELSE 'lead' END AS role
  FROM given g LEFT JOIN jobs_cacheentry entry ON entry.key = g.shared
  LEFT JOIN jobs_job leader ON leader.id = entry.job_id AND leader.client_id = %(client)s
)
"""
# In key order, so that two calls cannot deadlock. An entry that changed since it was seen stays.
_LED: LiteralString = f"""
led AS (
  INSERT INTO jobs_cacheentry (key, job_id, version_id, ttl_s, expires_at)
  SELECT DISTINCT ON (g.shared) g.shared, g.id, g.version, g.ttl_s,
    now() + make_interval(secs => GREATEST(g.ttl_s, {LOOK_AGAIN_S}))
  FROM given g JOIN seen USING (id) WHERE seen.role = 'lead' ORDER BY g.shared, g.priority DESC, g.id
  ON CONFLICT (key) DO UPDATE
  SET job_id = excluded.job_id, ttl_s = excluded.ttl_s, expires_at = excluded.expires_at
  WHERE jobs_cacheentry.job_id IN (SELECT leader FROM seen WHERE role = 'lead')
  RETURNING job_id
)
"""  # noqa: S608  # built from our own constants


_RUN: LiteralString = "job.id IN (SELECT id FROM placed WHERE role IN ('lead', 'alone'))"
_PUBLISHED: LiteralString = f"{WITH_INPUT} WHERE {_RUN}"


class PlacedJob(NamedTuple):
    """The outcome for one job: its role, the job under its key, and when it was stored (None: it was not)."""

    id: UUID
    role: str
    leader: UUID | None
    created_at: datetime | None


def _place(sides: SideRows) -> LiteralString:
    arrays, names, stored = given_with(sides, run=_RUN)
    return f"""
WITH {_given(arrays, names)}, {_SEEN}, {_LED}, placed AS MATERIALIZED (
  SELECT seen.* FROM seen WHERE role IN ('hit', 'follow', 'alone') OR id IN (SELECT job_id FROM led)
), job AS (
  INSERT INTO jobs_job ({JOB_COLUMNS}, finished_at)
  SELECT g.id, %(client)s, version, queue, priority,
    CASE WHEN role = 'hit' THEN %(succeeded)s ELSE %(state)s END, max_attempts, size,
    now() + make_interval(secs => deadline_s), key, digest, keep_days,
    CASE WHEN role = 'hit' THEN statement_timestamp() END
  FROM given g JOIN placed USING (id) ORDER BY key COLLATE "C"
  {UNLESS_THERE}
), input AS (
  INSERT INTO jobs_jobinput (job_id, keep_days, body, parameters, metadata, encoding, variant, output_form,
    traceparent)
  SELECT g.id, job.keep_days, g.body, g.parameters, g.metadata, g.encoding, g.variant, g.output_form,
    g.traceparent
  FROM job JOIN given g USING (id)
  RETURNING job_id, parameters, variant, traceparent
), keys AS (
  {KEYS}
  SELECT g.id, g.wrapped, COALESCE(theirs.answer, g.answer)
  FROM job JOIN placed USING (id) JOIN given g USING (id)
  LEFT JOIN jobs_jobkey theirs ON theirs.job_id = placed.leader AND placed.role = 'hit'
  WHERE g.wrapped IS NOT NULL
), answered AS (
  INSERT INTO jobs_jobresult (job_id, keep_days, epoch, body, content_type, encoding, source)
  SELECT job.id, job.keep_days, 0, result.body, result.content_type, result.encoding,
    COALESCE(result.source, result.job_id)
  FROM job JOIN placed USING (id)
  CROSS JOIN LATERAL (SELECT * FROM jobs_jobresult WHERE job_id = placed.leader LIMIT 1) result
  WHERE placed.role = 'hit'
), following AS (
  INSERT INTO jobs_follower (job_id, leader, key, priority, deadline)
  SELECT job.id, placed.leader, g.shared, job.priority, job.deadline
  FROM job JOIN placed USING (id) JOIN given g USING (id) WHERE placed.role = 'follow'
), {stored}outbox AS (
  {outbox_insert(_PUBLISHED, due=IN_TURN)}
), event AS ({EVENT})
SELECT seen.id, CASE WHEN seen.role = 'lead' AND placed.id IS NULL THEN 'unsure' ELSE seen.role END AS role,
  seen.leader, job.created_at
FROM seen LEFT JOIN placed USING (id) LEFT JOIN job USING (id)
"""  # noqa: S608  # built from our own constants


PLACE = {sides: Statement(_place(sides), PlacedJob) for sides in SideRows.all_of_them()}
