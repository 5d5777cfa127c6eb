"""Read requests against the model versions that will run them: schema, files, callback, encryption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from jobs.core.errors import PlatformError, UnavailableError
from jobs.core.submission.file_references import may_refer
from jobs.core.submission.parsed_job import ParsedJob, Refusals, parse_job
from jobs.core.submission.request import JobRequest
from jobs.db.statement import once_more
from jobs.payloads.row_sealing import guarded
from jobs.payloads.subject_digest import subject_digests
from jobs.services.access.owner import Owner
from jobs.services.circuits.operate import answering
from jobs.services.submission.attachments import Parts, attached
from jobs.services.webhooks.subscriptions import check_callback
from models_registry.core.refs import Ref
from models_registry.core.version import VersionInfo
from models_registry.selectors import resolve, validate_input


def parse_jobs(
    *, owner: Owner, requests: Mapping[int, JobRequest], parts: Parts
) -> tuple[dict[int, ParsedJob], Refusals]:
    """Return the jobs that fit their versions, and an error for each other one; UnavailableError for all."""
    parsed: dict[int, ParsedJob] = {}
    refusals: Refusals = {}
    for index, request in requests.items():
        try:
            parsed[index] = _parsed(owner, request, parts)
        except UnavailableError:
            raise
        except PlatformError as error:
            refusals[index] = error
    return parsed, refusals


def _parsed(owner: Owner, request: JobRequest, parts: Parts) -> ParsedJob:
    if owner.models:  # before a look at the registry, whose other models it may not know
        owner.check_model(Ref.parse(request.model).name)
    version = once_more(lambda: answering(resolve(request.model), client=owner.id))
    owner.check_model(version.model)  # it may be another model's fallback
    job = _with_input(owner, request, version, parts)
    check_callback(owner, request.callback_url)
    if version.subject_marks:
        job = replace(job, subjects=subject_digests(version, request.input, client=owner.id))
    return guarded(job, version.secrecy)


def _with_input(owner: Owner, request: JobRequest, version: VersionInfo, parts: Parts) -> ParsedJob:
    job = parse_job(request, version)
    # The worker reads the files first, and checks such an input against the schema there.
    if may_refer(job.body) and (with_files := attached(owner, request, version, parts)):
        return with_files
    validate_input(version, request.input)
    return job
