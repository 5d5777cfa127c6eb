"""Decides which requests are identical, and whether one may use a stored result or a run in flight. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from jobs.core.submission.parsed_job import ParsedJob
from jobs.core.submission.routed_job import CascadeSharing
from models_registry.core.options import PlatformOptions


@dataclass(frozen=True, slots=True)
class Reuse:
    """How a job may share a run under its key; the result of a run is valid for `ttl_s` seconds.

    `takes` allows an earlier result as the answer, `follows` to wait for the run of another job.
    """

    key: bytes
    ttl_s: float
    takes: bool
    follows: bool


def reuse(job: ParsedJob, *, client: int, generation: int) -> Reuse | None:
    """Return what `job` of `client` may share by its version's options; None if it shares nothing.

    `generation` is that of the cache of the job's model, or the sum of those of its cascade's models.
    """
    options = sharing_of(job)
    if job.cache == "bypass" or not options.shares_runs:
        return None
    used, ttl_s = job.cache == "use", options.cache_ttl_s
    scope = AnswerScope(_answers(job), generation, client)
    key = answer_key(scope, body=job.body, parameters=job.parameters)
    return Reuse(key, ttl_s, takes=used and ttl_s > 0, follows=used and options.collapses)


def sharing_of(job: ParsedJob) -> PlatformOptions | CascadeSharing:
    """Return how a job shares runs: by its version's options, or as all steps of its cascade allow."""
    cascade = job.route.kind.sharing if job.route is not None else None
    return job.version.platform_options if cascade is None else cascade


class AnswerScope(NamedTuple):
    """Among which requests a result is shared: of one version, one generation of its cache, and one client.

    `version` is its row id, or the digest of the rule whose cascade answers. The client is part of it, so
    that no client gets a result of another.
    """

    version: int | str
    generation: int
    client: int


def answer_key(scope: AnswerScope, *, body: bytes, parameters: bytes | None) -> bytes:
    """Return a SHA-256 that is equal for identical requests; bodies must be canonical JSON."""
    # The lengths come first, so that no two requests yield the same text.
    lengths = len(body), -1 if parameters is None else len(parameters)
    head = "".join(f"{part}/" for part in (*scope, *lengths))
    return sha256(b"".join((head.encode(), body, parameters or b""))).digest()


def _answers(job: ParsedJob) -> int | str:
    """Return the version that answers a job; of a cascade the digest of its rule, because each step may."""
    cascade = job.route.kind.sharing if job.route is not None else None
    return job.version.id if cascade is None else cascade.digest.hex()
