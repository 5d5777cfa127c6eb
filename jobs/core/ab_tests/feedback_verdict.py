"""Whether feedback is stored: only of the client's own ended jobs, in time, and once a name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from jobs.core.ab_tests.feedback_request import Content, FeedbackSaid
from jobs.core.errors import (
    FeedbackConflictError,
    FeedbackError,
    FeedbackExpiredError,
    JobErasedError,
    JobNotFoundError,
    PlatformError,
    WrongStateError,
)

FEEDBACK_DAYS = 30
MOST_NAMES = 20  # of a job


class ToldJob(Struct, frozen=True, gc=False):
    """A job of the client that feedback names; `is_guarded`: its version's contents are confidential."""

    state: str
    finished_at: datetime | None
    is_erased: bool
    is_guarded: bool


class StoredFeedback(Struct, frozen=True, gc=False):
    """Feedback that is in force, and whether this call has brought it."""

    said: FeedbackSaid
    is_new: bool


class FeedbackDesk:
    """Takes feedback one by one, each beside what was stored before it, in the same call too."""

    def __init__(
        self, jobs: Mapping[UUID, ToldJob], before: Iterable[tuple[UUID, str, Content]], now: datetime
    ) -> None:
        """Begin with the client's jobs that feedback names, and what was said of them `before`."""
        self._jobs, self._now = jobs, now
        self._before = dict[UUID, dict[str, Content]]()
        for job, name, content in before:
            self._before.setdefault(job, {})[name] = content

    def take(self, said: FeedbackSaid) -> StoredFeedback:
        """Return feedback as it is to be stored or already is; the PlatformError that refuses it."""
        _check_job(self._jobs.get(said.job), said, self._now)
        names = self._before.setdefault(said.job, {})
        content = _content(said)
        if said.name in names:
            if names[said.name] != content:
                raise FeedbackConflictError(
                    f"The job has another value for {said.name!r}: feedback does not change."
                )
            return StoredFeedback(said, is_new=False)
        if len(names) >= MOST_NAMES:
            raise FeedbackError(f"The job has feedback of {MOST_NAMES} names, which is the most.")
        names[said.name] = content
        return StoredFeedback(said, is_new=True)

    def take_all(self, items: Iterable[FeedbackSaid | PlatformError]) -> list[StoredFeedback | PlatformError]:
        """Return what becomes of each item, in order."""
        return [item if isinstance(item, PlatformError) else self._outcome(item) for item in items]

    def _outcome(self, said: FeedbackSaid) -> StoredFeedback | PlatformError:
        try:
            return self.take(said)
        except PlatformError as error:
            return error.with_traceback(None)


def _check_job(job: ToldJob | None, said: FeedbackSaid, now: datetime) -> None:
    if job is None:
        raise JobNotFoundError
    if job.is_erased:
        raise JobErasedError
    if job.finished_at is None:
        raise WrongStateError(f"The job is {job.state}: send feedback once it has ended.")
    if now - job.finished_at > timedelta(days=FEEDBACK_DAYS):
        raise FeedbackExpiredError
    if said.label is not None and job.is_guarded:
        raise FeedbackError(
            "The job's version encrypts what is stored or marks personal data, and a text would stand in"
            " clear: send a number."
        )


def _content(said: FeedbackSaid) -> Content:
    return said.label if said.label is not None else said.value or 0.0
