"""What became of each planned job, as it is noted while the load runs; times are seconds from the start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum

from jobs.core.loadtest.load_plan import PlannedCall, PlannedJob
from jobs.core.loadtest.load_report import LoadSums
from jobs.core.states import TERMINAL


class JobFate(StrEnum):
    """What became of a planned job; the last four are the states of the platform."""

    NOT_SENT = "not_sent"
    REFUSED = "refused"
    FAILED = "failed"
    UNFINISHED = "unfinished"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


ENDS = {state.value: JobFate(state.value) for state in TERMINAL}
SENT = frozenset(JobFate) - {JobFate.NOT_SENT}
ACCEPTED = frozenset({JobFate.UNFINISHED, *ENDS.values()})


class JobRecord:
    """A planned job and its times; `due_s` is that of its call. None: it did not happen, or was not seen."""

    __slots__ = ("accepted_s", "due_s", "ended_s", "fate", "id", "planned", "sent_s")

    def __init__(self, planned: PlannedJob, due_s: float) -> None:
        self.planned, self.due_s = planned, due_s
        self.fate = JobFate.NOT_SENT
        self.id = ""
        self.sent_s: float | None = None
        self.accepted_s: float | None = None
        self.ended_s: float | None = None


class LoadRecord:
    """The records of all jobs, and the counts that are shown while the load runs."""

    def __init__(self, calls: Sequence[PlannedCall]) -> None:
        self.calls = calls
        self.jobs_of = [[JobRecord(job, call.at_s) for job in call.jobs] for call in calls]
        self.late_s: list[float] = []
        self.sent_calls = 0
        self.fates = Counter({JobFate.NOT_SENT: sum(len(call.jobs) for call in calls)})
        self.errors = Counter[str]()
        self.details: dict[str, str] = {}

    def jobs(self) -> Iterator[JobRecord]:
        """Yield all jobs, in the order of their calls."""
        for jobs in self.jobs_of:
            yield from jobs

    def sent(self, number: int, at_s: float) -> None:
        """Note that a call was sent; until it is answered its jobs have failed."""
        self.sent_calls += 1
        self.late_s.append(max(0.0, at_s - self.calls[number].at_s))
        for job in self.jobs_of[number]:
            job.sent_s = at_s
            self._move(job, JobFate.FAILED)

    def unsent(self, number: int, reason: str) -> None:
        """Note that a call could not be sent after all."""
        self.late_s.pop()
        for job in self.jobs_of[number]:
            job.sent_s = None
            self._move(job, JobFate.NOT_SENT)
            self.errors[reason] += 1

    def failed(self, number: int, reason: str) -> None:
        """Note that a call had no answer of the API."""
        self.errors[reason] += len(self.jobs_of[number])

    def left_out(self, jobs: int) -> None:
        """Note that the answer to a bulk call says nothing of so many of its jobs."""
        if jobs:
            self.errors["left out of the answer"] += jobs

    def refused(self, job: JobRecord, reason: str, detail: str) -> None:
        """Note that the platform did not take a job."""
        self._move(job, JobFate.REFUSED)
        self.errors[reason] += 1
        self.details.setdefault(reason, detail)

    def accepted(self, job: JobRecord, job_id: str, at_s: float) -> None:
        """Note that the platform took a job."""
        job.id, job.accepted_s = job_id, at_s
        self._move(job, JobFate.UNFINISHED)

    def ended(self, job: JobRecord, state: str, at_s: float | None) -> None:
        """Note a job's final state, and when it was seen; the first to see it counts."""
        if job.fate is JobFate.UNFINISHED:
            job.ended_s = at_s
            self._move(job, ENDS[state])
            if state != JobFate.SUCCEEDED:
                self.errors[state] += 1

    def open_jobs(self) -> list[JobRecord]:
        """Return the accepted jobs whose end is not known."""
        return [job for job in self.jobs() if job.fate is JobFate.UNFINISHED]

    def sums(self) -> LoadSums:
        """Return the sums, each counted by itself, so that a job that is lost here shows."""
        fates = self.fates
        ends = {end.value: fates[end] for end in (*ENDS.values(), JobFate.UNFINISHED)}
        return LoadSums(
            intended=sum(len(call.jobs) for call in self.calls),
            sent=sum(fates[fate] for fate in SENT),
            not_sent=fates[JobFate.NOT_SENT],
            accepted=sum(job.accepted_s is not None for job in self.jobs()),
            refused=fates[JobFate.REFUSED],
            failed=fates[JobFate.FAILED],
            **ends,
        )

    def _move(self, job: JobRecord, fate: JobFate) -> None:
        self.fates[job.fate] -= 1
        self.fates[fate] += 1
        job.fate = fate
