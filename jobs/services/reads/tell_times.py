"""How long after a job's end a waiting client learns of it."""

from __future__ import annotations

from jobs import metrics
from jobs.core.stages import Stage
from jobs.db import database_clock
from jobs.services.reads.job_views import View


def observe_tell(view: View) -> None:
    """Observe the time since a job's end, now that a client that waited for it is answered."""
    ended_at = view.get("finished_at")
    if ended_at is not None:
        seconds = max(database_clock.now_s() - ended_at.timestamp(), 0.0)
        metrics.STAGE_TIME.labels(view["model"], Stage.TELL.value).observe(seconds)
