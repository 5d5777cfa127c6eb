"""What rules decide by: the sticky key of a job, and what cohorts look at.

Admission, replay and preview all make it here, so that equal jobs get equal versions everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from jobs import metrics
from jobs.core.canonical_json import digest
from jobs.core.submission import sticky_value
from jobs.payloads import vault
from models_registry.core.routing.decision import Ask, CompiledRule, Decision, decide
from models_registry.models import Rollout

Keyed = Callable[[bytes], bytes]
ROLLOUTS = "rollouts"  # the client, where flags decide for a roll-out and not for a job


class Asker(Struct, frozen=True):
    """The client of a job."""

    id: int
    name: str


class AskedJob(Struct, frozen=True, gc=False):
    """What a rule may look at of a job, whether it arrives or is stored.

    `body_sha256` is that of the input's canonical JSON, and `parameters_body` the parameters' canonical JSON.
    `own` are bytes that no other job has.
    """

    asker: Asker
    priority: int
    metadata: Any
    parameters: Any
    body_sha256: bytes
    parameters_body: bytes | None
    own: bytes


def sticky_digest() -> Keyed:
    """Return the keyed digest of sticky values, eight bytes, for many jobs."""
    return vault.short_digester("route")


def ask_of(rule: CompiledRule, job: AskedJob, keyed: Keyed, *, counting: bool = False) -> Ask:
    """Return what a rule decides by; a pointer that is not there counts as `input`, and is counted."""
    value = _sticky(rule.document.sticky, job)
    if value is None:
        value = sticky_value.input_value(job.body_sha256, job.parameters_body)
        if counting:
            metrics.STICKY_MISSING.labels(rule.stable.model).inc()
    return ask_with(keyed(value), job)


def ask_by(sticky: str, job: AskedJob, keyed: Keyed) -> Ask:
    """Return what a flag decides by outside of a rule; a pointer that is not there counts as `input`."""
    value = _sticky(sticky, job)
    if value is None:
        value = sticky_value.input_value(job.body_sha256, job.parameters_body)
    return ask_with(keyed(value), job)


def rollout_ask(rollout: Rollout) -> Ask:
    """Return what flags decide by for a roll-out as a whole: its names as metadata, its salt as the key."""
    names = {
        "model": rollout.model.name,
        "alias": rollout.alias,
        "stable": rollout.stable.version,
        "candidate": rollout.candidate.version,
        "rollout": rollout.pk,
    }
    return Ask(digest(rollout.salt.encode())[:8], ROLLOUTS, 0, names, {})


def decide_again(rule: CompiledRule, key: bytes, job: AskedJob) -> Decision:
    """Return what a rule decides for a job by the key of its Route, as a replay needs it."""
    return decide(rule, ask_with(key, job))


def ask_with(key: bytes, job: AskedJob) -> Ask:
    """Return what rules and flags decide by for a job whose key is known."""
    return Ask(key, job.asker.name, job.priority, job.metadata or {}, job.parameters or {})


def _sticky(sticky: str, job: AskedJob) -> bytes | None:
    if sticky == sticky_value.INPUT:
        return sticky_value.input_value(job.body_sha256, job.parameters_body)
    if sticky == sticky_value.CLIENT:
        return sticky_value.client_value(job.asker.id)
    if sticky == sticky_value.JOB:
        return sticky_value.job_value(job.own)
    return sticky_value.pointed_value(sticky, job.metadata)
