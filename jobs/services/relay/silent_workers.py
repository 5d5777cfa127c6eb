"""Messages that lie with a worker that fell silent: other workers get their jobs before visibility ends.

A stopped process keeps its connection to the broker, and goes on receiving messages until its prefetch is
full. A job may so wait for the whole visibility time, while another worker of its model has nothing to do.
"""

from __future__ import annotations

import sqlalchemy as sa

from jobs.core.relay.publish_policy import VISIBILITY_S
from jobs.db.leases import HELD, fence_of
from jobs.db.statement import Statement, count, run

SILENT_S = 7.0  # a heartbeat comes every 5 s
FORGOTTEN_S = 60.0  # by then every message has come back by itself
UNDER_WAY_S = 2.0  # younger messages may be with any worker
AGAIN_S = 2.0  # the stopped worker gets some of them again, until its prefetch is full

# Without another worker of the model, more messages would be useless.
_QUEUES = Statement(
    """
SELECT DISTINCT model FROM jobs_worker worker CROSS JOIN LATERAL unnest(worker.model_names) AS model
WHERE worker.heartbeat_at BETWEEN now() - make_interval(secs => %(forgotten_s)s)
    AND now() - make_interval(secs => %(silent_s)s)
  AND (worker.ended_at IS NULL OR worker.end_reason = 'silent')
  AND EXISTS (
    SELECT FROM jobs_worker other
    WHERE other.ended_at IS NULL AND model = ANY(other.model_names)
      AND other.heartbeat_at > now() - make_interval(secs => %(silent_s)s))
""",
    str,
)
_RECALL: Statement[None] = Statement(f"""
WITH chosen AS (
  SELECT job_id FROM jobs_outbox
  WHERE queue = %(queue)s AND published = 1 AND due > now()
    AND due < now() + make_interval(secs => %(left_s)s) AND {HELD}
  ORDER BY due LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs_outbox SET due = now(), published = 0 WHERE job_id = ANY(ARRAY(SELECT job_id FROM chosen))
""")  # noqa: S608  # built from a constant


def queues_of_silent(session: sa.Connection) -> list[str]:
    """Return the queues of which a silent worker may hold messages, and another worker lives."""
    return run(session, _QUEUES, {"silent_s": SILENT_S, "forgotten_s": FORGOTTEN_S})


def recall_from_silent(session: sa.Connection, queue: str, *, most: int) -> int:
    """Make jobs due again that were published seconds ago and not claimed; return how many."""
    values = {"queue": queue, "most": most, "left_s": VISIBILITY_S - UNDER_WAY_S}
    return count(session, _RECALL, values | fence_of(session))
