"""Read requests against the model versions that will run them: schema, files, callback, encryption.

What the jobs of a call have in common is read once a call: thousands of jobs with a model, an upload or an
address each cost as many statements as one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from jobs.core.errors import PlatformError, UnavailableError
from jobs.core.submission.file_references import Reference, may_refer, references
from jobs.core.submission.job_labels import job_labels
from jobs.core.submission.parsed_job import ParsedJob, Refusals, parse_job
from jobs.core.submission.request import JobRequest
from jobs.db.statement import once_more
from jobs.payloads.row_sealing import guarded
from jobs.payloads.subject_digest import subject_digests
from jobs.services.access.owner import Owner
from jobs.services.circuits.operate import answering
from jobs.services.submission.attachments import FilesOfCall, Parts, attached, uploads_of
from jobs.services.webhooks.subscriptions import check_callback, has_valid_secret
from models_registry.core.refs import Ref
from models_registry.core.version import VersionInfo
from models_registry.selectors import resolve_all, validate_input

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class _Bare:
    """A job as it was written, the version that will run it, and how often it refers to each file."""

    job: ParsedJob
    version: VersionInfo
    referred: Counter[Reference] = field(default_factory=Counter)


def parse_jobs(
    *, owner: Owner, requests: Mapping[int, JobRequest], parts: Parts
) -> tuple[dict[int, ParsedJob], Refusals]:
    """Return the jobs that fit their versions, and an error for each other one; UnavailableError for all."""
    call = _Call(owner, {request.model for request in requests.values()})
    bare, malformed = _each(requests, lambda index: call.bare(requests[index]))
    referred = {reference for job in bare.values() for reference in job.referred}
    files = FilesOfCall(uploads_of(owner, referred), parts)
    parsed, unfit = _each(bare, lambda index: call.checked(requests[index], bare[index], files))
    return parsed, malformed | unfit


def _each(indices: Iterable[int], read: Callable[[int], Read]) -> tuple[dict[int, Read], Refusals]:
    """Return what could be read by its place in the call, and an error for each other place."""
    good, refusals = dict[int, Read](), Refusals()
    for index in indices:
        try:
            good[index] = read(index)
        except UnavailableError:
            raise
        except PlatformError as error:
            refusals[index] = error
    return good, refusals


class _Call:
    """One call: its client, and what the models of its jobs name."""

    def __init__(self, owner: Owner, models: set[str]) -> None:
        self._owner = owner
        self._named = once_more(lambda: resolve_all(models))
        self._answers = dict[str, VersionInfo | PlatformError]()

    def bare(self, request: JobRequest) -> _Bare:
        """Return a job as it was written."""
        version = self._version(request.model)
        job = parse_job(request, version)
        return _Bare(job, version, references(request.input)) if may_refer(job.body) else _Bare(job, version)

    def checked(self, request: JobRequest, bare: _Bare, files: FilesOfCall) -> ParsedJob:
        """Return a job that fits its version, with its files."""
        job = bare.job
        if bare.referred:
            job = attached(self._owner, request, bare.version, bare.referred, files)
        else:
            validate_input(bare.version, request.input)
        if request.callback_url is not None:
            check_callback(request.callback_url, has_secret=lambda: self._has_secret)
        if bare.version.subject_marks:
            subjects = subject_digests(bare.version, request.input, client=self._owner.id)
            job = replace(job, subjects=subjects)
        if bare.version.metadata_index:
            job = replace(job, labels=job_labels(request.metadata, bare.version.metadata_index))
        return guarded(job, bare.version.secrecy)

    def _version(self, model: str) -> VersionInfo:
        if model not in self._answers:
            self._answers[model] = self._answer(model)
        answer = self._answers[model]
        if isinstance(answer, PlatformError):
            raise answer.with_traceback(None)
        return answer

    def _answer(self, model: str) -> VersionInfo | PlatformError:
        try:
            return self._answering(model)
        except UnavailableError:
            raise
        except PlatformError as error:
            return error

    def _answering(self, model: str) -> VersionInfo:
        if self._owner.models:  # first, because it may not learn which other models there are
            self._owner.check_model(Ref.parse(model).name)
        named = self._named[model]
        if not isinstance(named, VersionInfo):
            raise named
        version = once_more(lambda: answering(named, client=self._owner.id))
        self._owner.check_model(version.model)  # it may be another model's fallback
        return version

    @cached_property
    def _has_secret(self) -> bool:
        return has_valid_secret(self._owner)
