"""Counts the jobs that a call stored or was refused, and how long the stored ones took to be admitted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from jobs import metrics
from jobs.core.errors import PlatformError
from jobs.core.stages import Stage
from jobs.metrics.bulk_observe import observe_times
from jobs.services.access.owner import Owner
from jobs.services.access.request_origin import origin
from jobs.services.submission.submitted import Submitted

Outcome = Submitted | PlatformError


def count_outcomes(owner: Owner, outcomes: Iterable[Outcome]) -> None:
    """Count the outcomes of a call's jobs, right after its commit; what was stored before is not counted."""
    accepted, refused = Counter[str](), Counter[str]()
    for outcome in outcomes:
        if isinstance(outcome, PlatformError):
            refused[outcome.code] += 1
        elif outcome.created:
            accepted[outcome.model] += 1
    for code, jobs in refused.items():
        metrics.JOBS_REFUSED.labels(code).inc(jobs)
    for model, jobs in accepted.items():
        _count_accepted(owner, model, jobs)
        observe_admit(model, jobs, began_s=origin().began_s)


def observe_admit(model: str, jobs: int, *, began_s: float | None) -> None:
    """Observe how long a call took that has just stored jobs; it began at `began_s`, in monotonic seconds."""
    if began_s is not None:
        admit = metrics.STAGE_TIME.labels(model, Stage.ADMIT.value)
        observe_times(admit, time.monotonic() - began_s, jobs)


def _count_accepted(owner: Owner, model: str, jobs: int) -> None:
    metrics.CLIENTS.count(
        owner.name, jobs, lambda client: metrics.JOBS_ACCEPTED.labels(model, client).inc(jobs)
    )
