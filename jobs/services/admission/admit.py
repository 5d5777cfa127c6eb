"""Admits or refuses the jobs of a call: those that would be answered too late, and those over a quota.

It runs no statement per request. A few a second read the counts, and others take quota ahead for
clients that have one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from jobs import metrics
from jobs.core.admission.queue_count import QueueCount
from jobs.core.admission.queue_estimate import QueuePlace
from jobs.core.admission.shedding import Expected, Shed, ShedReason, WaitLimits, expect, shed_from
from jobs.core.errors import OverloadedError, PlatformError
from jobs.core.submission.request import Admitted
from jobs.payloads.row_sealing import shared_key
from jobs.services.access.owner import Owner
from jobs.services.admission.queues import queues
from jobs.services.admission.quotas import within_quota
from jobs.services.reuse.reads import answers_there, keyed_before
from models_registry.core.options import most_waiting, sheds

_UNKNOWN = (QueuePlace(0.0, 0.0), QueueCount())
_LIMITS = {
    ShedReason.GOAL: "more than the model's goal of {goal_s:g} s leaves",
    ShedReason.DEADLINE: "more than its deadline of {deadline_s:g} s leaves",
    ShedReason.FULL: "and the model takes no more than {max_waiting:,}",
}


def admit_jobs(owner: Owner, outcomes: list[Any]) -> Expected | None:
    """Replace each job in `outcomes` that is refused by its error.

    Return the estimate for a call of one job, where there is one.
    """
    groups: dict[tuple[int, int, float | None], list[int]] = defaultdict(list)
    for index, job in enumerate(outcomes):
        if isinstance(job, Admitted):
            groups[-job.priority, job.version.id, job.deadline_s].append(index)
    before: dict[str, int] = defaultdict(int)
    for _, indices in sorted(groups.items(), key=lambda group: group[0][:2]):
        model = outcomes[indices[0]].version.model
        before[model] += _shed(owner.id, outcomes, indices, before[model])
    if owner.quota.limits:
        _hold_to_quota(owner, outcomes)
    expected = _expected(owner.id, outcomes[0]) if len(outcomes) == 1 else None
    _record(owner.id, outcomes)
    return expected


def expected_of(queue: str, priority: int, client: int, *, age_s: float) -> Expected | None:
    """Estimate position and answer of a job that has waited `age_s` seconds; None without a count."""
    ahead = queues.ahead_of(queue, priority, client, age_s=age_s)
    return None if ahead is None else _expect(*ahead)


def _shed(client: int, outcomes: list[Any], indices: Sequence[int], before: int) -> int:
    """Refuse from the end those jobs that would be answered too late; return how many are admitted.

    The jobs at `indices` have one version, priority and deadline. The call has `before` admitted jobs of
    the same model and no lower priority.
    """
    job: Admitted = outcomes[indices[0]]
    place, count = queues.place(job.version.model, job.priority, client) or _UNKNOWN
    limits = _limits(job)

    def refusal(number: int) -> Shed | None:
        return shed_from(count, place, limits, more=before + number)

    if refusal(len(indices) - 1) is None:
        return len(indices)
    admitted = bisect_left(range(len(indices)), x=True, key=lambda number: refusal(number) is not None)
    new_work = _new_work(client, [outcomes[index] for index in indices[admitted:]])
    for number, is_new in enumerate(new_work, start=admitted):
        shed = refusal(number) if is_new else None
        if shed is not None:
            outcomes[indices[number]] = _overloaded(job, shed, limits)
    return admitted


def _limits(job: Admitted) -> WaitLimits:
    options = job.version.options
    goal_s = job.version.p95_goal_s if sheds(options) else 0.0
    return WaitLimits(most_waiting(options), goal_s, job.deadline_s)


def _new_work(client: int, jobs: Sequence[Admitted]) -> list[bool]:
    """Return for each of the jobs, all of one priority, whether it causes a run.

    A job with a known idempotency key or with a result in the cache causes none.
    """
    known = keyed_before(client, {job.idempotency_key for job in jobs if job.idempotency_key})
    keys = [shared_key(job, client=client) for job in jobs]
    there = answers_there(
        client, {key.key for key in keys if key and (key.takes or key.follows)}, priority=jobs[0].priority
    )
    return [
        job.idempotency_key not in known and (key is None or key.key not in there)
        for job, key in zip(jobs, keys, strict=True)
    ]


def _expect(position: int, count: QueueCount) -> Expected:
    return expect(position, per_s=count.per_s, answer_s=count.answer_s)


def _expected(client: int, job: Admitted | PlatformError) -> Expected | None:
    if isinstance(job, PlatformError):
        return None
    known = queues.place(job.version.model, job.priority, client)
    return None if known is None else _expect(known[0].position(), known[1])


def _overloaded(job: Admitted, shed: Shed, limits: WaitLimits) -> OverloadedError:
    metrics.SHED.labels(job.version.model, shed.why.value).inc()
    expected = shed.expected
    wait = "" if expected.eta_s is None else f", about {expected.eta_s:.1f} s of waiting"
    limit = _LIMITS[shed.why].format(
        goal_s=limits.goal_s, deadline_s=limits.deadline_s or 0.0, max_waiting=limits.max_waiting
    )
    return OverloadedError(
        f"{expected.position:,} jobs are ahead of this one at {job.version.model}{wait}, {limit}."
        f" Send it again in {shed.retry_after_s} s and fewer at once, or with a higher priority or a longer"
        " deadline.",
        retry_after_s=shed.retry_after_s,
        reason=shed.why.value,
    )


def _hold_to_quota(owner: Owner, outcomes: list[Any]) -> None:
    indices = [index for index, job in enumerate(outcomes) if isinstance(job, Admitted)]
    sizes = [outcomes[index].payload_bytes for index in indices]
    count, refusal = within_quota(owner, sizes)
    if refusal is not None:
        over = indices[count:]
        metrics.QUOTA_REFUSED.labels(owner.name, refusal.details["quota"]).inc(len(over))
        for index in over:
            outcomes[index] = refusal


def _record(client: int, outcomes: Sequence[Any]) -> None:
    counts: dict[tuple[str, int], int] = defaultdict(int)
    for job in outcomes:
        if isinstance(job, Admitted):
            counts[job.version.model, job.priority] += 1
    for (queue, priority), jobs in counts.items():
        queues.add(queue, priority, client, jobs)
