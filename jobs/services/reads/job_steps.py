"""The steps of a job in a cascade, as its lineage and its page in the admin show them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from jobs.db.statement import Statement, fetch_all


class StepView(NamedTuple):
    """A step that ended; `device_s` is the job's part of its batch's run, None where that is not known."""

    number: int
    version: str | None
    why: str
    hindrance: str | None
    confidence: float | None
    rule: int | None
    batch: UUID | None
    worker: str | None
    device_s: float | None
    at: datetime


_STEPS = Statement(
    """
SELECT s.number, m.name || ':' || v.version AS version, s.why, NULLIF(s.hindrance, '') AS hindrance,
  s.confidence, u.number AS rule, s.batch_id AS batch, w.node AS worker, b.ran_s / b.size AS device_s, s.at
FROM jobs_step s LEFT JOIN models_registry_modelversion v ON v.id = s.version_id
LEFT JOIN models_registry_registeredmodel m ON m.id = v.model_id
LEFT JOIN models_registry_rule u ON u.id = s.rule
LEFT JOIN jobs_batch b ON b.id = s.batch_id LEFT JOIN jobs_worker w ON w.id = b.worker_id
WHERE s.job_id = %(id)s ORDER BY s.epoch
""",
    StepView,
)


def job_steps(job_id: UUID) -> list[StepView]:
    """Return the steps of a job that have ended, in order; none of a job without a cascade."""
    return fetch_all(_STEPS, {"id": job_id})
