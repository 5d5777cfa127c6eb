"""The switches of a job that arrives: what flags of their names turn off for it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from jobs.core.canonical_json import digest
from jobs.core.submission.parsed_job import ParsedJob
from jobs.core.submission.request import JobRequest
from jobs.core.submission.routed_job import key_of
from jobs.core.submission.sticky_value import INPUT
from jobs.services.access.owner import Owner
from jobs.services.rollouts.asks import AskedJob, Asker, ask_by, ask_with, sticky_digest
from models_registry.core.routing.decision import Ask
from models_registry.core.routing.switches import Switch
from models_registry.flag_reads import switch_is_on


def job_ask(owner: Owner, request: JobRequest, job: ParsedJob) -> Ask:
    """Return what flags decide by for a job.

    Its key is that of its rule where one decided for it, else of its input, as a rule's that is sticky by it.
    """
    asked = AskedJob(
        Asker(owner.id, owner.name), job.priority, request.metadata, request.parameters, digest(job.body),
        job.parameters, b"",
    )  # fmt: skip
    if job.route is not None and job.route.sticky is not None:
        return ask_with(key_of(job.route.sticky), asked)
    return ask_by(INPUT, asked, sticky_digest())


def with_cache_switch(owner: Owner, request: JobRequest, job: ParsedJob) -> ParsedJob:
    """Return the job; where the switch `cache` is off for it, as one that shares neither run nor result."""
    shares = job.cache != "bypass" and job.version.platform_options.shares_runs
    if not shares or switch_is_on(Switch.CACHE, partial(job_ask, owner, request, job)):
        return job
    return replace(job, cache="bypass")
