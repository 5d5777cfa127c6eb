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
from jobs.core.submission.file_references import Reference, may_refer, outline, references
from jobs.core.submission.job_labels import job_labels
from jobs.core.submission.parsed_job import ParsedJob, Refusals
from jobs.core.submission.request import JobRequest
from jobs.payloads.row_sealing import guarded
from jobs.payloads.subject_digest import subject_digests
from jobs.services.access.owner import Owner
from jobs.services.flags.job_switches import with_cache_switch
from jobs.services.submission.attachments import (
    FilesOfCall,
    Parts,
    held_files,
    sized_with,
    uploads_of,
    with_files,
)
from jobs.services.submission.routing import Chosen, Routing, check_input
from jobs.services.webhooks.subscriptions import check_callback, has_valid_secret
from models_registry.core.version import VersionInfo
from models_registry.selectors import validate_input, validate_outline

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class _Bare:
    """A job as it was written, the version that will run it, and how often it refers to each file."""

    job: ParsedJob
    chosen: Chosen
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
        self._routing = Routing(owner, models)

    def bare(self, request: JobRequest) -> _Bare:
        """Return a job as it was written."""
        job, chosen = self._routing.parsed(request)
        return _Bare(job, chosen, references(request.input)) if may_refer(job.body) else _Bare(job, chosen)

    def checked(self, request: JobRequest, bare: _Bare, files: FilesOfCall) -> ParsedJob:
        """Return a job that fits its version, with its files."""
        job, version = bare.job, bare.chosen.version
        if bare.referred:
            job, version = self._attached(request, bare, files)
        else:
            check_input(bare.chosen.checked, validate_input, request.input)
        if request.callback_url is not None:
            check_callback(request.callback_url, has_secret=lambda: self._has_secret)
        if version.subject_marks:
            subjects = subject_digests(version, request.input, client=self._owner.id)
            job = replace(job, subjects=subjects)
        if version.metadata_index:
            job = replace(job, labels=job_labels(request.metadata, version.metadata_index))
        return guarded(with_cache_switch(self._owner, request, job), version.secrecy)

    def _attached(
        self, request: JobRequest, bare: _Bare, files: FilesOfCall
    ) -> tuple[ParsedJob, VersionInfo]:
        """Return a job with its files, and its version: a rule decides by the input as it is stored."""
        encrypts = any(version.secrecy.encrypt for version in self._routing.may_answer(request.model))
        held = held_files(self._owner, bare.referred, files, encrypts=encrypts)
        stored = with_files(request, held)
        job, chosen = self._routing.parsed(stored)
        check_input(chosen.checked, validate_outline, *outline(stored.input))
        return sized_with(job, bare.referred, held), chosen.version

    @cached_property
    def _has_secret(self) -> bool:
        return has_valid_secret(self._owner)
