"""The front door: sheds jobs that would be answered too late, and those over their client's quota.

A request costs no statement here but for a few a second that read the count, and what a client
with quotas takes ahead.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from jobs import metrics
from jobs.core.admission.queue_estimate import Line, QueueCount
from jobs.core.admission.shedding import Expected, Shed, ShedReason, WaitLimits, decide, expect
from jobs.core.errors import OverloadedError, PlatformError
from jobs.core.submission.request import Admitted
from jobs.payloads.row_sealing import shared_key
from jobs.services.access.owner import Owner
from jobs.services.admission.queues import queues
from jobs.services.admission.quotas import within_quota
from jobs.services.reuse.reads import answers_there, keyed_before
from models_registry.core.options import most_waiting, sheds

_UNKNOWN = (Line(0.0, 0.0), QueueCount())
_SO_FAR = {
    ShedReason.GOAL: "more than the model's goal of {goal_s:g} s leaves",
    ShedReason.DEADLINE: "more than its deadline of {deadline_s:g} s leaves",
    ShedReason.FULL: "and the model takes no more than {max_waiting:,}",
}


def admit_jobs(owner: Owner, outcomes: list[Any]) -> Expected | None:
    """Put an error in the place of each job in `outcomes` that is not taken now.

    Return what a job that stands alone has to expect, where that is known.
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
    _note(owner.id, outcomes)
    return expected


def expected_of(queue: str, priority: int, client: int, *, age_s: float) -> Expected | None:
    """Return what a job that waits since `age_s` seconds has to expect; None where nothing is known."""
    found = queues.ahead_of(queue, priority, client, age_s=age_s)
    return None if found is None else _expect(*found)


def _shed(client: int, outcomes: list[Any], indices: Sequence[int], before: int) -> int:
    """Refuse what of a call's jobs, alike in what counts here, comes too late: the last; return the others.

    `before` of the call's jobs, no less urgent, were taken already.
    """
    job: Admitted = outcomes[indices[0]]
    line, standing = queues.line(job.version.model, job.priority, client) or _UNKNOWN
    options = job.version.options
    goal_s = job.version.p95_goal_s if sheds(options) else 0.0
    bounds = WaitLimits(most_waiting(options), goal_s, job.deadline_s)

    def verdict(place: int) -> Shed | None:
        more = before + place
        expected = _expect(line.position(more), standing)
        return decide(expected, bounds, waiting=line.waiting + more, per_s=standing.per_s)

    if verdict(len(indices) - 1) is None:
        return len(indices)
    taken = bisect_left(range(len(indices)), x=True, key=lambda place: verdict(place) is not None)
    costly = _costly(client, [outcomes[index] for index in indices[taken:]])
    for place, costs in enumerate(costly, start=taken):
        shed = verdict(place) if costs else None
        if shed is not None:
            outcomes[indices[place]] = _overloaded(job, shed, bounds)
    return taken


def _costly(client: int, jobs: Sequence[Admitted]) -> list[bool]:
    """Say of each of the jobs, of one priority, whether it makes work: a repeat and a cache hit do not."""
    known = keyed_before(client, {job.idempotency_key for job in jobs if job.idempotency_key})
    shared = [shared_key(job, client=client) for job in jobs]
    there = answers_there(
        client,
        {each.key for each in shared if each and (each.takes or each.follows)},
        priority=jobs[0].priority,
    )
    return [
        job.idempotency_key not in known and (each is None or each.key not in there)
        for job, each in zip(jobs, shared, strict=True)
    ]


def _expect(position: int, standing: QueueCount) -> Expected:
    return expect(position, per_s=standing.per_s, answer_s=standing.answer_s)


def _expected(client: int, job: Admitted | PlatformError) -> Expected | None:
    if isinstance(job, PlatformError):
        return None
    found = queues.line(job.version.model, job.priority, client)
    return None if found is None else _expect(found[0].position(), found[1])


def _overloaded(job: Admitted, shed: Shed, bounds: WaitLimits) -> OverloadedError:
    metrics.SHED.labels(job.version.model, shed.why.value).inc()
    expected = shed.expected
    wait = "" if expected.eta_s is None else f", about {expected.eta_s:.1f} s of waiting"
    why = _SO_FAR[shed.why].format(
        goal_s=bounds.goal_s, deadline_s=bounds.deadline_s or 0.0, max_waiting=bounds.max_waiting
    )
    return OverloadedError(
        f"{expected.position:,} jobs are ahead of this one at {job.version.model}{wait}, {why}. Send it again"
        f" in {shed.retry_after_s} s and fewer at once, or with a higher priority or a longer deadline.",
        retry_after_s=shed.retry_after_s,
        reason=shed.why.value,
    )


def _hold_to_quota(owner: Owner, outcomes: list[Any]) -> None:
    indices = [index for index, job in enumerate(outcomes) if isinstance(job, Admitted)]
    sizes = [outcomes[index].payload_bytes for index in indices]
    taken, refusal = within_quota(owner, sizes)
    if refusal is not None:
        outcomes_over = indices[taken:]
        metrics.QUOTA_REFUSED.labels(owner.name, refusal.details["quota"]).inc(len(outcomes_over))
        for index in outcomes_over:
            outcomes[index] = refusal


def _note(client: int, outcomes: Sequence[Any]) -> None:
    counts: dict[tuple[str, int], int] = defaultdict(int)
    for job in outcomes:
        if isinstance(job, Admitted):
            counts[job.version.model, job.priority] += 1
    for (queue, priority), jobs in counts.items():
        queues.note(queue, priority, client, jobs)
