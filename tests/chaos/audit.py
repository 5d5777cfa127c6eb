"""Triggers in the run's own database that record each change of a job and each stored result."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import psycopg

from jobs.services.lifecycle.sweeper import STALE_S
from tests.support.wait import wait_until

LOOK_S = 0.1

INSTALL = """
CREATE TABLE chaos_history (
  seq bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), kind text NOT NULL,
  job uuid NOT NULL, before text, after text, epoch int NOT NULL, attempts int, ground text, version bigint
);
-- The ends of workers: of one that was silent it says for how long, because its next heartbeat hides that.
CREATE TABLE chaos_ended (
  worker uuid NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), reason text NOT NULL,
  silent_s float8 NOT NULL
);
CREATE INDEX chaos_history_of_job ON chaos_history (job);
CREATE INDEX chaos_ended_worker ON chaos_ended (worker);
CREATE FUNCTION chaos_end_of_worker() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos_ended (worker, reason, silent_s)
  SELECT NEW.id, NEW.end_reason, extract(epoch FROM clock_timestamp() - OLD.heartbeat_at); RETURN NULL;
END $$;
CREATE TRIGGER chaos_ended AFTER UPDATE ON jobs_worker FOR EACH ROW
  WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION chaos_end_of_worker();
CREATE FUNCTION chaos_made() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos_history (kind, job, after, epoch, attempts, version)
  SELECT 'state', id, state, epoch, attempts, version_id FROM new_rows; RETURN NULL;
END $$;
-- On what ground this session took a running job from its batch: NULL unless it is the sweeper's, whose
-- lease names its session. `live` is none: the batch was in the hands of a worker that lives.
CREATE FUNCTION chaos_ground(taken_from uuid) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN worker.id IS NULL THEN 'no worker'
    WHEN EXISTS (
      SELECT FROM chaos_ended WHERE worker = batch.worker_id AND at > batch.claimed_at
      AND (reason <> 'silent' OR silent_s > STALE_S)) THEN 'ended'
    WHEN batch.claimed_at < worker.named_at AND NOT batch.id = ANY(worker.open_batches) THEN 'not named'
    ELSE 'live' END
  FROM jobs_batch batch LEFT JOIN jobs_worker worker ON worker.id = batch.worker_id
  WHERE batch.id = taken_from AND EXISTS (
    SELECT FROM jobs_leaseholder WHERE office = 'sweeper' AND session_pid = pg_backend_pid())
$$;
-- The sweeper's sessions switch hash joins off, and this join of two row sets needs one.
CREATE FUNCTION chaos_moved() RETURNS trigger LANGUAGE plpgsql SET enable_hashjoin = on AS $$ BEGIN
  INSERT INTO chaos_history (kind, job, before, after, epoch, attempts, ground, version)
  SELECT 'state', n.id, o.state, n.state, n.epoch, n.attempts,
    CASE WHEN o.state = 'running' AND n.state IN ('queued', 'dead') THEN chaos_ground(o.batch_id) END,
    n.version_id
  FROM new_rows n JOIN old_rows o USING (id)
  WHERE (n.state, n.epoch) <> (o.state, o.epoch); RETURN NULL;
END $$;
CREATE FUNCTION chaos_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos_history (kind, job, before, epoch, attempts)
  SELECT 'state', id, state, epoch, attempts FROM old_rows; RETURN NULL;
END $$;
CREATE FUNCTION chaos_stored() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos_history (kind, job, epoch) SELECT 'result', job_id, epoch FROM new_rows; RETURN NULL;
END $$;
CREATE FUNCTION chaos_failed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos_history (kind, job, epoch, ground)
  SELECT 'failed', job_id, epoch, actor FROM new_rows WHERE kind = 'failed' AND job_id IS NOT NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_made AFTER INSERT ON jobs_job
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION chaos_made();
CREATE TRIGGER chaos_moved AFTER UPDATE ON jobs_job
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION chaos_moved();
CREATE TRIGGER chaos_deleted AFTER DELETE ON jobs_job
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION chaos_deleted();
CREATE TRIGGER chaos_stored AFTER INSERT ON jobs_jobresult
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION chaos_stored();
CREATE TRIGGER chaos_stored_again AFTER UPDATE ON jobs_jobresult
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION chaos_stored();
CREATE TRIGGER chaos_failed AFTER INSERT ON jobs_event
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION chaos_failed();
""".replace("STALE_S", str(STALE_S - 1.0))
# What suspect sessions change, while that is watched: a switched-off trigger costs nothing.
WATCHED = ("jobs_job", "jobs_outbox", "jobs_batch", "jobs_lease")
TOUCHED = """
CREATE TABLE chaos_suspect (pid int PRIMARY KEY);
CREATE TABLE chaos_touched (at timestamptz DEFAULT clock_timestamp(), pid int, place text);
-- The programs that fire the triggers own nothing.
GRANT ALL ON chaos_history, chaos_ended, chaos_suspect, chaos_touched TO PUBLIC;
GRANT ALL ON SEQUENCE chaos_history_seq_seq TO PUBLIC;
CREATE FUNCTION chaos_touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO chaos_touched (pid, place) SELECT pid, TG_TABLE_NAME FROM chaos_suspect
  WHERE pid = pg_backend_pid() AND EXISTS (SELECT FROM touched); RETURN NULL;
END $$;
"""
TOUCH = """
CREATE TRIGGER chaos_touched_by_{event} AFTER {event} ON {table}
REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION chaos_touch();
ALTER TABLE {table} DISABLE TRIGGER chaos_touched_by_{event};
"""
EVENTS = ("update", "delete")
HISTORY = """
SELECT extract(epoch FROM at)::float8, kind, job::text, before, after, epoch, attempts, ground
FROM chaos_history ORDER BY seq
"""
ROWS = """
SELECT job.id::text, job.state, job.epoch, job.attempts, job.max_attempts,
  (SELECT count(*) FROM jobs_jobresult result WHERE result.job_id = job.id), dead_letter.epoch
FROM jobs_job job LEFT JOIN jobs_deadletter dead_letter ON dead_letter.job_id = job.id
"""
# Of each batch: how many successes it counts, and how many jobs succeeded under its claim.
LEDGER = """
SELECT batch.id::text, batch.succeeded, count(job.id)
FROM jobs_batch batch LEFT JOIN jobs_job job ON job.batch_id = batch.id AND job.state = 'succeeded'
GROUP BY batch.id, batch.succeeded HAVING batch.succeeded + count(job.id) > 0
"""
# Of each roll-out: what it says itself, and what the history of its jobs says. A claim is late where it came
# more than LATE_S after the roll-back: web processes and workers remember a rule for a second or two.
LATE_S = 5
ROLLOUTS = """
SELECT rollout.id, rollout.state, rollout.proven, rollout.budget, rollout.met,
  coalesce(evidence.judged, 0), coalesce(evidence.failed, 0), claims.claimed, claims.late, claims.jobs,
  (SELECT count(*) FROM jobs_failedkey key WHERE key.rollout = rollout.id AND key.kind = 'failed')
FROM models_registry_rollout rollout
LEFT JOIN LATERAL (
  SELECT (document->'numbers'->>'judged')::float8::int AS judged,
    (document->'numbers'->>'failed')::float8::int AS failed
  FROM jobs_evidence WHERE rollout = rollout.id
) evidence ON true
CROSS JOIN LATERAL (
  SELECT count(*) AS claimed, count(DISTINCT history.job) AS jobs,
    count(*) FILTER (WHERE rollout.state = 'rolled_back'
      AND history.at > rollout.ended_at + make_interval(secs => %s)) AS late
  FROM jobs_route route JOIN chaos_history history ON history.job = route.job_id
  WHERE route.rollout = rollout.id AND route.arm = 'candidate' AND history.kind = 'state'
    AND history.after = 'running' AND history.before <> 'running' AND history.version = rollout.candidate_id
) claims
ORDER BY rollout.id
"""
# Jobs that changed their version more often than Events say.
MOVED = """
SELECT step.job::text FROM (
  SELECT job, version, lag(version) OVER (PARTITION BY job ORDER BY seq) AS before
  FROM chaos_history WHERE kind = 'state'
) step WHERE step.version <> step.before GROUP BY step.job
HAVING count(*) > (
  SELECT count(*) FROM jobs_event event
  WHERE event.job_id = step.job
    AND event.kind IN ('rescue', 'take_back', 'replay', 'escalate', 'degrade'))
"""
# Jobs of cascades whose steps do not lead to what became of them. A replay begins another life.
STEPS = """
WITH step AS (
  SELECT s.*, count(*) FILTER (WHERE number = 0) OVER (PARTITION BY job_id ORDER BY epoch) AS life
  FROM jobs_step s
), life AS (
  SELECT job_id, life, count(*) FILTER (WHERE number > 0) AS steps, COALESCE(max(number), 0) AS highest,
    count(*) FILTER (WHERE why IN ('below', 'no_confidence') AND hindrance = '') AS onward
  FROM step GROUP BY job_id, life
), whole AS (
  SELECT job_id, bool_and(steps = highest) AS gapless, sum(onward) AS onward FROM life GROUP BY job_id
)
SELECT route.job_id::text, CASE
  WHEN NOT COALESCE(whole.gapless, true) THEN 'its steps have a gap'
  WHEN COALESCE(whole.onward, 0) <> (
    SELECT count(*) FROM jobs_event event WHERE event.job_id = route.job_id AND event.kind = 'escalate'
  ) THEN 'its steps and its escalations differ'
  ELSE 'it succeeded without a step' END
FROM jobs_route route JOIN jobs_job job ON job.id = route.job_id
LEFT JOIN whole ON whole.job_id = route.job_id
WHERE route.arm = 'cascade' AND (NOT COALESCE(whole.gapless, true) OR COALESCE(whole.onward, 0) <> (
    SELECT count(*) FROM jobs_event event WHERE event.job_id = route.job_id AND event.kind = 'escalate')
  OR (job.state = 'succeeded' AND whole.job_id IS NULL AND NOT EXISTS (
    SELECT FROM jobs_jobresult result WHERE result.job_id = job.id AND result.source IS NOT NULL)))
"""
# What the jobs of the A/B test were given to: one Route each; those in an arm began at the version of it.
EXPOSED = """
SELECT route.job_id::text, route.arm <> 'ab' OR route.version = (
  SELECT version FROM chaos_history WHERE job = route.job_id AND kind = 'state' ORDER BY seq LIMIT 1)
FROM jobs_route route WHERE route.asked = %s
"""
FEEDBACK = "SELECT job_id::text, value FROM jobs_feedback"
SIDE_ROWS = {
    "the outbox": "SELECT count(*) FROM jobs_outbox",
    "open batches": "SELECT count(*) FROM jobs_batch WHERE finished_at IS NULL",
    "followers": "SELECT count(*) FROM jobs_follower",
    "jobs of no client or version": """
SELECT count(*) FROM jobs_job job WHERE NOT EXISTS (SELECT FROM jobs_client WHERE id = job.client_id)
  OR NOT EXISTS (SELECT FROM models_registry_modelversion WHERE id = job.version_id)
""",
    "copies in the hand of workers that ended": """
SELECT count(*) FROM jobs_shadowhand hand
WHERE NOT EXISTS (SELECT FROM jobs_worker WHERE id = hand.worker AND ended_at IS NULL)
""",
    "unpublished dead letters": "SELECT count(*) FROM jobs_deadletter WHERE due IS NOT NULL",
}
UNINSTALL = """
DROP FUNCTION chaos_made, chaos_moved, chaos_deleted, chaos_stored, chaos_failed, chaos_touch,
  chaos_end_of_worker CASCADE;
DROP FUNCTION chaos_ground;
DROP TABLE chaos_history, chaos_ended, chaos_suspect, chaos_touched;
"""
# Of each shadow: what became of its copies, the jobs that it may have copied, those that its version ran, and
# how often the platform stopped it.
SHADOWS = """
SELECT shadow.rule, shadow.run, shadow.old + shadow.unwanted AS dropped, shadow.lost,
  (SELECT count(*) FROM jobs_shadowcopy copy WHERE copy.rule = shadow.rule) AS open,
  (SELECT count(*) FROM jobs_job job WHERE job.version_id = shadow.stable_id) AS jobs,
  (SELECT count(DISTINCT history.job) FROM chaos_history history
    WHERE history.version = shadow.version_id) AS answered,
  (SELECT count(*) FROM jobs_event event WHERE event.kind = 'shadow' AND event.actor = 'platform'
    AND (event.detail ->> 'rule')::bigint = shadow.rule) AS stops
FROM jobs_shadow shadow ORDER BY shadow.rule
"""
_NAMES = ("at", "kind", "job", "before", "after", "epoch", "attempts", "ground")


def install(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(INSTALL)
        connection.execute(TOUCHED)
        for table, event in product(WATCHED, EVENTS):
            connection.execute(TOUCH.format(table=table, event=event))


def uninstall(database: str) -> None:
    """Leave nothing of the audit behind."""
    with psycopg.connect(database) as connection:
        connection.execute(UNINSTALL)


def watch(database: str, *, on: bool) -> None:
    """Record from now on what the sessions in chaos_suspect change, or stop that."""
    for table, event in product(WATCHED, EVENTS):
        verb = "ENABLE" if on else "DISABLE"
        wait_until(
            partial(_alter, database, f"ALTER TABLE {table} {verb} TRIGGER chaos_touched_by_{event}"),
            every_s=LOOK_S, what=f"triggers of {table}",
        )  # fmt: skip


def _alter(database: str, statement: str) -> bool:
    """Return whether the table could be locked soon: while this waits, all others wait behind it."""
    with psycopg.connect(database, autocommit=True, options="-c lock_timeout=300ms") as connection:
        try:
            connection.execute(statement)
        except psycopg.errors.LockNotAvailable:
            return False
    return True


def history(database: str) -> Iterator[dict[str, Any]]:
    """Yield the audit's rows as records, oldest first."""
    with psycopg.connect(database) as connection, connection.cursor("history") as cursor:
        cursor.itersize = 5_000
        for row in cursor.execute(HISTORY):
            yield dict(zip(_NAMES, row, strict=True))
