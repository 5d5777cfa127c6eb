"""What a rule would decide, before it is in force: for jobs that are described, or for stored ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import msgspec

from jobs.core.canonical_json import canonical_bytes, digest
from jobs.core.errors import MalformedRequestError, ResourceNotFoundError
from jobs.core.rollouts.rollout_requests import PreviewAsk, RulePreview
from jobs.core.submission.file_references import may_refer, references
from jobs.db.statement import Statement, fetch_all, storable
from jobs.services.rollouts.asks import AskedJob, Asker, Keyed, ask_of, decide_again, sticky_digest
from jobs.services.rollouts.previews.stored_asks import StoredAsk, stored_asks
from models_registry.core.routing.decision import CompiledRule, Decision, decide
from models_registry.services.cascades import any_model
from models_registry.services.rules import compile_rule

SHOWN = 100  # decisions for stored jobs; of described ones all are


class RoutedAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What one job would get; `job` is None for one that was described."""

    version: str
    arm: str
    why: str
    bucket: int
    job: UUID | None = None


class PreviewedJobs(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would decide for `total` jobs; `gone` more have an input that is gone or unreadable.

    `document` is the rule with its salt: put in force as it is, the same jobs get the same.
    """

    document: dict[str, Any]
    total: int
    gone: int
    by_version: dict[str, int]
    by_arm: dict[str, int]
    decisions: list[RoutedAsk]


class _Client(NamedTuple):
    id: int
    name: str


_CLIENTS = Statement("SELECT id, name FROM jobs_client WHERE name = ANY(%(names)s)", _Client)


def preview(
    *, model: str, asked: RulePreview, client: str, check_model: Callable[[str], None] = any_model
) -> PreviewedJobs:
    """Return what the rule would decide for `asks`, or for the `last` stored jobs of the alias.

    `client` is that of asks which name none. The errors of `put_rule` but for live roll-outs;
    ResourceNotFoundError for an unknown client, MalformedRequestError for an input that refers to files.
    """
    rule = compile_rule(model=model, alias=asked.alias, document=asked.document, check_model=check_model)
    keyed = sticky_digest()
    if asked.asks is not None:
        jobs = described(asked.asks, client)
        decisions = ((None, decide(rule, ask_of(rule, job, keyed))) for job in jobs)
        return _counted(rule, decisions, len(asked.asks))
    stored = stored_asks(model, asked.alias, most=asked.last or 0)
    return _counted(rule, ((job.id, _of_stored(rule, job, keyed)) for job in stored), SHOWN)


def _of_stored(rule: CompiledRule, job: StoredAsk, keyed: Keyed) -> Decision | None:
    if job.asked is None:
        return None
    if rule.document.sticky == "job" and job.key is not None:
        return decide_again(rule, job.key, job.asked)
    return decide(rule, ask_of(rule, job.asked, keyed))


def _counted(
    rule: CompiledRule, decided: Iterable[tuple[UUID | None, Decision | None]], shown: int
) -> PreviewedJobs:
    versions, arms, gone = Counter[str](), Counter[str](), 0
    decisions = list[RoutedAsk]()
    for job, decision in decided:
        if decision is None:
            gone += 1
            continue
        versions[decision.version.version] += 1
        arms[decision.arm.value] += 1
        if len(decisions) < shown:
            decisions.append(_shown(job, decision))
    return PreviewedJobs(
        document=rule.document.document,
        total=versions.total(),
        gone=gone,
        by_version=dict(versions),
        by_arm=dict(arms),
        decisions=decisions,
    )


def _shown(job: UUID | None, decision: Decision) -> RoutedAsk:
    return RoutedAsk(
        version=decision.version.version,
        arm=decision.arm.value,
        why=decision.why,
        bucket=decision.bucket,
        job=job,
    )


def described(asks: Sequence[PreviewAsk], client: str) -> Iterator[AskedJob]:
    """Yield the jobs that asks describe; `client` is that of those which name none.

    ResourceNotFoundError for an unknown client, MalformedRequestError for an input that refers to files.
    """
    names = {ask.client or client for ask in asks}
    rows = fetch_all(_CLIENTS, {"names": [name for name in names if storable(name)]})
    askers = {row.name: Asker(row.id, row.name) for row in rows}
    for ask in asks:
        if ask.client is not None and ask.client not in askers:
            raise ResourceNotFoundError("There is no such client.")
        yield _asked(ask, askers.get(ask.client or client, Asker(0, client)))


def _asked(ask: PreviewAsk, asker: Asker) -> AskedJob:
    body = canonical_bytes(ask.input)
    if may_refer(body) and references(ask.input):
        raise MalformedRequestError("the input of a preview refers to no files")
    parameters = canonical_bytes(ask.parameters) if ask.parameters else None
    own = uuid4().bytes  # a job that is drawn by itself is drawn here, too
    return AskedJob(asker, ask.priority, ask.metadata, ask.parameters, digest(body), parameters, own)
