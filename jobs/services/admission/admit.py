"""Admits or refuses the jobs of a call: those that would be answered too late, and those over a quota.

It runs no statement per request. A few a second read the counts, and others take quota ahead for
clients that have one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from jobs import metrics
from jobs.core.admission.queue_count import QueueCount
from jobs.core.admission.queue_estimate import QueuePlace
from jobs.core.admission.shedding import (
    EtaUnknown,
    Expected,
    Shed,
    ShedReason,
    WaitLimits,
    expect,
    shed_from,
)
from jobs.core.errors import OverloadedError
from jobs.core.queue_names import slow_queue
from jobs.core.submission.parsed_job import ParsedJob, Refusals
from jobs.db.statement import Statement, fetch_all
from jobs.payloads.row_sealing import shared_key
from jobs.services.access.owner import Owner
from jobs.services.admission.queues import queues
from jobs.services.admission.quotas import within_quota
from jobs.services.circuits.reads import any_hold, circuit_of, is_paused
from jobs.services.reuse.generations import generation_of
from jobs.services.reuse.reads import answers_there, keyed_before
from models_registry.selectors import resolve

_QUEUE = Statement("SELECT queue FROM jobs_outbox WHERE job_id = %(job)s", str)
_UNKNOWN = (QueuePlace(0.0, 0.0), QueueCount())
_LIMITS = {
    ShedReason.GOAL: "more than the model's goal of {goal_s:g} s leaves",
    ShedReason.DEADLINE: "more than its deadline of {deadline_s:g} s leaves",
    ShedReason.FULL: "and the model takes no more than {max_waiting:,}",
}


@dataclass(frozen=True, slots=True)
class Admission:
    """What admission control decided about a call's jobs, by their places in the call.

    `expected` is the estimated wait of the only job of a call, if there is an estimate.
    """

    jobs: dict[int, ParsedJob]
    refusals: Refusals
    expected: Expected | None = None


def admit_jobs(*, owner: Owner, jobs: Mapping[int, ParsedJob]) -> Admission:
    """Admit the jobs that will be answered in time and fit their client's quota."""
    refusals = _shed_groups(owner.id, jobs)
    admitted = {index: job for index, job in jobs.items() if index not in refusals}
    if owner.quota.limits:
        refusals |= _over_quota(owner, admitted)
        admitted = {index: job for index, job in admitted.items() if index not in refusals}
    expected = _expected(owner.id, jobs[0]) if admitted.keys() == jobs.keys() == {0} else None
    _record(owner.id, admitted.values())
    return Admission(admitted, refusals, expected)


def expected_of(  # whose job it is, and where it waits
    model: str, version: str, priority: int, client: int, *, age_s: float, job: UUID
) -> Expected | None:
    """Estimate position and ETA of a job that has waited `age_s` seconds; None without a count."""
    queue = _waiting_in(job, model, version) if queues.any_slow else model
    ahead = queues.ahead_of(queue, priority, client, age_s=age_s, job=job)
    if ahead is None:
        return None
    if any_hold():
        return _unless_held(expect(*ahead), resolve(f"{model}:{version}").id, client)
    return expect(*ahead)


def _waiting_in(job: UUID, model: str, version: str) -> str:
    """Return the queue of a waiting job; its row is read only where its size decides."""
    least = queues.slow_from(resolve(f"{model}:{version}").id)
    if not least:
        return model if least is None else slow_queue(model)
    return next(iter(fetch_all(_QUEUE, {"job": job})), model)


def _shed_groups(client: int, jobs: Mapping[int, ParsedJob]) -> Refusals:
    """Refuse the jobs that would be answered too late; equal ones are judged together, urgent ones first."""
    groups: dict[tuple[int, int, str, float | None], list[int]] = defaultdict(list)
    for index, job in jobs.items():
        groups[-job.priority, job.version.id, _queue_of(job), job.deadline_s].append(index)
    before: dict[str, int] = defaultdict(int)
    new_work = _NewWork(client, jobs)
    refusals: Refusals = {}
    for (_, _, queue, _), indices in sorted(groups.items(), key=lambda group: group[0][:3]):
        shed, admitted = _shed(client, {index: jobs[index] for index in indices}, before[queue], new_work)
        before[queue] += admitted
        refusals |= shed
    return refusals


def _shed(
    client: int, jobs: Mapping[int, ParsedJob], before: int, new_work: _NewWork
) -> tuple[Refusals, int]:
    """Refuse from the end those jobs that would be answered too late; return also how many are in time.

    The jobs have one version, queue, priority and deadline. The call has `before` admitted jobs of the same
    queue and no lower priority.
    """
    indices = list(jobs)
    job = jobs[indices[0]]
    place, count = queues.place(_queue_of(job), job.priority, client) or _UNKNOWN
    limits = _limits(job)

    def refusal(number: int) -> Shed | None:
        return shed_from(count, place, limits, more=before + number)

    if refusal(len(indices) - 1) is None:
        return {}, len(indices)
    in_time = bisect_left(range(len(indices)), x=True, key=lambda number: refusal(number) is not None)
    late = indices[in_time:]
    refusals: Refusals = {}
    for number, index in enumerate(late, in_time):
        shed = refusal(number) if new_work.is_new(index) else None
        if shed is not None:
            refusals[index] = _overloaded(job, shed, limits)
    return refusals, in_time


def _limits(job: ParsedJob) -> WaitLimits:
    options = job.version.platform_options
    goal_s = job.version.p95_goal_s if options.shed else 0.0
    return WaitLimits(options.max_waiting, goal_s, job.deadline_s)


class _NewWork:
    """Which jobs of a call cause a run, read once for each priority, and only if a job is to be refused.

    A job with an idempotency key that was used before, or with a result in the cache, causes none.
    """

    def __init__(self, client: int, jobs: Mapping[int, ParsedJob]) -> None:
        self._client, self._jobs = client, jobs
        self._new = dict[int, set[int]]()

    def is_new(self, index: int) -> bool:
        """Return whether the job at this place of the call causes a run."""
        priority = self._jobs[index].priority
        if priority not in self._new:
            self._new[priority] = self._read(priority)
        return index in self._new[priority]

    def _read(self, priority: int) -> set[int]:
        some = {index: job for index, job in self._jobs.items() if job.priority == priority}
        repeated = keyed_before(
            self._client, {job.idempotency_key for job in some.values() if job.idempotency_key}
        )
        keys = {
            index: shared_key(job, client=self._client, generation=generation_of(job))
            for index, job in some.items()
        }
        asked = {key.key for key in keys.values() if key and (key.takes or key.follows)}
        cached = answers_there(self._client, asked, priority=priority)
        return {
            index
            for index, key in keys.items()
            if some[index].idempotency_key not in repeated and (key is None or key.key not in cached)
        }


def _expected(client: int, job: ParsedJob) -> Expected | None:
    place = queues.place(_queue_of(job), job.priority, client)
    if place is None:
        return None
    return _unless_held(expect(place[0].position(), place[1]), job.version.id, client)


def _unless_held(expected: Expected, version: int, client: int) -> Expected:
    """Return the estimate without a time where the client's jobs are paused or a circuit lets few pass."""
    if is_paused(version, client):
        return Expected(expected.position, unknown=EtaUnknown.PAUSED)
    if circuit_of(version, client) is None:
        return expected
    return Expected(expected.position, unknown=EtaUnknown.CIRCUIT_OPEN)


def _overloaded(job: ParsedJob, shed: Shed, limits: WaitLimits) -> OverloadedError:
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


def _over_quota(owner: Owner, jobs: Mapping[int, ParsedJob]) -> Refusals:
    """Refuse from the end the jobs that the client's quota does not cover."""
    count, refusal = within_quota(owner, [job.payload_bytes for job in jobs.values()])
    if refusal is None:
        return {}
    over = list(jobs)[count:]
    kind = refusal.details["quota"]
    metrics.CLIENTS.count(
        owner.name, len(over), lambda client: metrics.QUOTA_REFUSED.labels(client, kind).inc(len(over))
    )
    return dict.fromkeys(over, refusal)


def _record(client: int, jobs: Iterable[ParsedJob]) -> None:
    counts = Counter((_queue_of(job), job.priority) for job in jobs)
    for (queue, priority), number in counts.items():
        queues.add(queue, priority, client, number)


def _queue_of(job: ParsedJob) -> str:
    return queues.queue_of(job.version.model, job.version.id, job.size)
