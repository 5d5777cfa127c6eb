"""Empties the answers of earlier steps of cascades once their jobs' results are gone."""

from __future__ import annotations

from typing import Final, LiteralString

# Of a live job, and of one with an open dead letter, they stay as its input does: a replay of the same
# version may fall back on them.
FORGET_STEPS: Final[LiteralString] = """
WITH page AS MATERIALIZED (
  SELECT id FROM jobs_step WHERE id > %(after)s::text::bigint ORDER BY id LIMIT %(most)s
), gone AS (
  UPDATE jobs_step old SET body = NULL FROM page
  WHERE old.id = page.id AND old.expires_at < now() AND old.body IS NOT NULL AND EXISTS (
    SELECT FROM jobs_job job WHERE job.id = old.job_id AND job.finished_at IS NOT NULL)
    AND NOT EXISTS (
      SELECT FROM jobs_deadletter letter WHERE letter.job_id = old.job_id AND letter.discarded_at IS NULL)
  RETURNING 1
)
SELECT (SELECT id::text FROM page ORDER BY id DESC LIMIT 1) AS upto, (SELECT count(*) FROM gone) AS rows
"""
