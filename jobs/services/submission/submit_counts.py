"""Counts the jobs that a call stored or was refused, and how long the stored ones took to be admitted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable
from functools import cache

from prometheus_client import Histogram

from jobs import metrics
from jobs.core.errors import PlatformError
from jobs.core.stages import Stage
from jobs.metrics.bulk_observe import observe_times
from jobs.services.access.owner import Owner
from jobs.services.access.request_origin import origin
from jobs.services.submission.submitted import Submitted

Outcome = Submitted | PlatformError


def count_outcomes(owner: Owner, outcomes: Collection[Outcome]) -> None:
    """Count the outcomes of a call's jobs, right after its commit; what was stored before is not counted."""
    count_group((owner, outcome) for outcome in outcomes)
    made = Counter(o.model for o in outcomes if isinstance(o, Submitted) and o.created)
    for model, jobs in made.items():
        observe_admit(model, jobs, began_s=origin().began_s)


def count_group(outcomes: Iterable[tuple[Owner, Outcome]]) -> None:
    """Count the outcomes of jobs that were stored together, each with its owner."""
    accepted = Counter[tuple[str, str]]()
    for owner, outcome in outcomes:
        if isinstance(outcome, PlatformError):
            metrics.JOBS_REFUSED.labels(outcome.code).inc()
        elif outcome.created:
            accepted[owner.name, outcome.model] += 1
    for (name, model), jobs in accepted.items():
        _count_accepted(name, model, jobs)


def observe_admit(model: str, jobs: int, *, began_s: float | None) -> None:
    """Observe how long a call took that has just stored jobs; it began at `began_s`, in monotonic seconds."""
    if began_s is not None:
        observe_times(_admit(model), time.monotonic() - began_s, jobs)


def _count_accepted(name: str, model: str, jobs: int) -> None:
    metrics.CLIENTS.count(name, jobs, lambda client: metrics.JOBS_ACCEPTED.labels(model, client).inc(jobs))


@cache  # `labels` costs as much as all else
def _admit(model: str) -> Histogram:
    return metrics.STAGE_TIME.labels(model, Stage.ADMIT.value)
