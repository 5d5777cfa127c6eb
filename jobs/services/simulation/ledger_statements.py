"""Reads of the ledger for the simulator. Ids of batches grow with time, so each look begins at the newest.

How much is read is bounded by numbers of rows, not by what the tables hold.
"""

from __future__ import annotations

from typing import NamedTuple

from jobs.db.statement import Statement


class LedgerRun(NamedTuple):
    """A batch that ran; seconds and moments are the database's, `delivered_s` those of each member."""

    worker: int
    lanes: int
    items: int
    padded_size: int
    sealed_s: float
    claim_s: float
    lane_s: float
    ran_s: float
    settling_s: float
    delivered_s: list[float]


NOW_MS = Statement("SELECT CAST(extract(epoch FROM now()) * 1000 AS bigint)", int)
# Numbers stand for the workers. The rule of `stages.waits`: from when a member was due to its receipt.
RUNS = Statement(
    """
SELECT (dense_rank() OVER (ORDER BY worker_id))::integer AS worker,
  COALESCE(worker.lanes, 1)::integer AS lanes, batch.size AS items, padded_size,
  extract(epoch FROM claimed_at)::float8 - sealed_ago_s AS sealed_s, claim_s, lane_s, ran_s,
  GREATEST(extract(epoch FROM finished_at - claimed_at)::float8
    + sealed_ago_s - claim_s - lane_s - ran_s, 0) AS settling_s,
  ARRAY(
    SELECT GREATEST(due_ago_s - sealed_ago_s - GREATEST(member.buffered_s, 0), 0)
    FROM unnest(batch.due_ago_s, batch.buffered_s) AS member(due_ago_s, buffered_s)
    WHERE due_ago_s IS NOT NULL
  )::float8[] AS delivered_s
FROM (
  SELECT * FROM (
    SELECT * FROM jobs_batch WHERE id >= %(first)s ORDER BY id DESC LIMIT %(scanned)s
  ) AS newest
  WHERE version_id = %(version)s AND ran_s > 0 AND size > 0 AND failed = 0 AND finished_at IS NOT NULL
    AND claim_s IS NOT NULL AND lane_s IS NOT NULL AND sealed_ago_s IS NOT NULL
  LIMIT %(most)s
) AS batch LEFT JOIN jobs_worker worker ON worker.id = batch.worker_id
""",
    LedgerRun,
)
LOADS = Statement(
    """
SELECT load_s FROM models_registry_versionload
WHERE version_id = %(version)s AND load_s IS NOT NULL ORDER BY since DESC LIMIT 100
""",
    float,
)
SIZES = Statement(
    """
SELECT GREATEST(size, 1) AS size FROM (
  SELECT size, version_id FROM jobs_job WHERE id >= %(first)s ORDER BY id DESC LIMIT %(scanned)s
) AS newest
WHERE version_id = %(version)s LIMIT %(most)s
""",
    int,
)
