"""What a trial is to do, as its row keeps it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from jobs.core.errors import MalformedRequestError
from jobs.core.priority import HIGHEST, LOWEST
from jobs.core.states import TERMINAL, State
from models_registry.core.agreement.option import Agreement

MOST_JOBS = 10_000
MOST_LABEL_CHARS = 63
Spec = TypeVar("Spec", bound=Struct)
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Moment = Annotated[datetime, Meta(tz=True)]
Label = Annotated[str, Meta(min_length=1, max_length=MOST_LABEL_CHARS, pattern=r"^[^\x00]*$")]


class JobFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which stored jobs of a model; a missing field is no filter."""

    client: Annotated[Name | None, Meta(description="Only jobs of this client.")] = None
    state: Annotated[State | None, Meta(description="Only jobs that ended in this state.")] = None
    version: Annotated[Name | None, Meta(description="Only jobs that this version of the model ran.")] = None
    priority: Annotated[
        Annotated[int, Meta(ge=LOWEST, le=HIGHEST)] | None, Meta(description="Only jobs of this priority.")
    ] = None
    created_after: Annotated[Moment | None, Meta(description="Only jobs that were created since then.")] = (
        None
    )
    created_before: Annotated[Moment | None, Meta(description="Only jobs that were created before.")] = None


class BacktestRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version that is to run stored inputs of its model, alone or against another one."""

    version: Annotated[Name, Meta(description="The version to try: `2`, or `name:2`.")]
    against: Annotated[
        Name | None,
        Meta(description="The version to compare with. Default: what the alias `default` stands for."),
    ] = None
    filter: Annotated[JobFilter, Meta(description="Which stored jobs.")] = JobFilter()
    most: Annotated[
        int,
        Meta(ge=1, le=MOST_JOBS, description="How many jobs, at most; the same ones at each call."),
    ] = 1_000
    labels: Annotated[
        Annotated[dict[str, Label], Meta(min_length=1, max_length=MOST_JOBS)] | None,
        Meta(description="The true label of each job, by the job's id; other jobs are not run."),
    ] = None
    agreement: Annotated[
        Agreement | None,
        Meta(description="When two outputs agree. Default: the version's option `agreement`."),
    ] = None


class GateSpec(Struct, frozen=True):
    """A gate: what two versions need and take is compared at up to `most` stored inputs."""

    most: int = 256


class DuelSpec(Struct, frozen=True):
    """Duels: so many `pairs`; the time of a batch may be `slower` times the stable version's.

    They begin before the batch `before`, where earlier duels of the roll-out have ended.
    """

    pairs: int
    slower: float
    agreement: Agreement
    before: UUID | None = None


class BacktestSpec(Struct, frozen=True):
    """A backtest: up to `most` jobs, which `filter` names; `labels` are true ones by job id.

    `guarded` means that the model's data is confidential: labels of outputs are replaced by numbers.
    """

    filter: JobFilter
    most: int
    agreement: Agreement
    labels: dict[str, str] | None = None
    client: int | None = None  # the row ids of the filter's names
    version: int | None = None
    guarded: bool = False


def document_of(spec: Struct) -> dict[str, Any]:
    """Return a spec as JSON."""
    document: dict[str, Any] = msgspec.to_builtins(spec)
    return document


def spec_of(kind: type[Spec], document: Any) -> Spec:
    """Read what `document_of` wrote."""
    return msgspec.convert(document, kind)


_decode = msgspec.json.Decoder(BacktestRequest).decode


def parse_backtest(raw: bytes) -> BacktestRequest:
    """Parse the body of a request; MalformedRequestError says what is wrong and where."""
    try:
        asked = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequestError(str(error)) from None
    chosen = asked.filter
    if chosen.created_after and chosen.created_before and chosen.created_after >= chosen.created_before:
        raise MalformedRequestError("`created_after` must be before `created_before`.")
    if chosen.state is not None and chosen.state not in TERMINAL:
        raise MalformedRequestError("`state` must be one in which jobs end: only their inputs stay.")
    for job in asked.labels or ():
        _check_id(job)
    return asked


def _check_id(text: str) -> None:
    try:
        UUID(text)
    except ValueError:
        raise MalformedRequestError(f"`labels`: {text[:63]!r} is no id of a job.") from None
