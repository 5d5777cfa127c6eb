"""Restart: a replayed job begins a cascade again, that of its rule or of another one."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.core.cascades.mark import LEAST_MARKED
from jobs.core.cascades.step_ends import CascadeRestart, StepEnd
from jobs.db.statement import Statement, execute

_RESTART: Statement[None] = Statement("""
INSERT INTO jobs_step (job_id, epoch, number, rule, why)
SELECT job.id, job.epoch, 0, given.rule, %(why)s
FROM unnest(%(jobs)s::uuid[], %(rules)s::bigint[]) AS given(id, rule) JOIN jobs_job job USING (id)
""")
# The mark of a cascade; a job that was admitted without one has none yet.
_MARK: Statement[None] = Statement("""
UPDATE jobs_jobinput SET variant = %(mark)s
  | COALESCE(variant, CAST(CAST('x' || left(md5(parameters), 7) AS bit(28)) AS int), 0)
WHERE job_id = ANY(%(jobs)s::uuid[]) AND COALESCE(variant, 0) < %(mark)s
""")


def begin_anew(restarts: Sequence[CascadeRestart]) -> None:
    """Let jobs go by the cascades of these rules, or by none; in the transaction that replays them.

    Before their messages are due, so that those carry the mark.
    """
    jobs = [restart.job for restart in restarts]
    execute(
        _RESTART, {"jobs": jobs, "rules": [restart.rule for restart in restarts], "why": StepEnd.REPLAYED}
    )
    execute(_MARK, {"jobs": [one.job for one in restarts if one.rule is not None], "mark": LEAST_MARKED})
