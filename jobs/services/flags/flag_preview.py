"""For whom a flag would be on, before it is in force: of jobs that are described, or of stored ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from jobs.core.rollouts.flag_requests import FlagPreview
from jobs.core.submission.sticky_value import INPUT, JOB
from jobs.services.flags.put_known import check_clients
from jobs.services.rollouts.asks import Keyed, ask_by, ask_with, sticky_digest
from jobs.services.rollouts.preview import SHOWN, described
from jobs.services.rollouts.previews.stored_asks import StoredAsk, newest_asks
from models_registry.core.routing.decision import Ask
from models_registry.core.routing.flag_document import CompiledFlag
from models_registry.services.flags import compile_flag


class FlaggedAsk(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a flag would be on for one job, and why; `job` is None for one that was described."""

    on: bool
    why: str
    bucket: int
    client: str
    job: UUID | None = None


class FlaggedJobs(msgspec.Struct, frozen=True, kw_only=True):
    """For how many of `total` jobs a flag would be on; `gone` more have an input that is gone or unreadable.

    `by_client` has the clients with jobs for which it would be on.
    """

    document: dict[str, Any]
    total: int
    gone: int
    on: int
    by_client: dict[str, int]
    decisions: list[FlaggedAsk]


class _Asked(NamedTuple):
    job: UUID | None
    ask: Ask | None


def preview_flag(*, name: str, asked: FlagPreview, client: str) -> FlaggedJobs:
    """Return for whom the flag would be on, of `asks` or of the `last` stored jobs of all models.

    `client` is that of asks which name none. The errors of `put_known_flag` but for numbers and ends;
    ResourceNotFoundError for an unknown client, MalformedRequestError for an input that refers to files.
    """
    flag = compile_flag(name=name, document=asked.document)
    check_clients(flag.document)
    keyed = sticky_digest()
    if asked.asks is not None:
        sticky = asked.sticky or INPUT
        jobs = (_Asked(None, ask_by(sticky, job, keyed)) for job in described(asked.asks, client))
        return _counted(flag, jobs, len(asked.asks))
    stored = newest_asks(most=asked.last or 0)
    return _counted(flag, (_Asked(job.id, _of_stored(asked.sticky, job, keyed)) for job in stored), SHOWN)


def _of_stored(sticky: str | None, job: StoredAsk, keyed: Keyed) -> Ask | None:
    if job.asked is None:
        return None
    key = {None: job.route_key, JOB: job.key}.get(sticky)
    return ask_by(sticky or INPUT, job.asked, keyed) if key is None else ask_with(key, job.asked)


def _counted(flag: CompiledFlag, jobs: Iterable[_Asked], shown: int) -> FlaggedJobs:
    clients, total, gone = Counter[str](), 0, 0
    decisions = list[FlaggedAsk]()
    for job, ask in jobs:
        if ask is None:
            gone += 1
            continue
        total += 1
        decision = flag.decide(ask)
        clients.update([ask.client] if decision.on else ())
        if len(decisions) < shown:
            decisions.append(FlaggedAsk(**decision._asdict(), client=ask.client, job=job))
    return FlaggedJobs(
        document=flag.document.document,
        total=total,
        gone=gone,
        on=clients.total(),
        by_client=dict(clients.most_common()),
        decisions=decisions,
    )
