"""A request to do something to all jobs that match a filter, read strictly. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from jobs.core.acting.bulk_verbs import FASTEST_PER_S, SLOWEST_PER_S
from jobs.core.errors import MalformedRequestError
from jobs.core.failures import FailureKind
from jobs.core.priority import HIGHEST, LOWEST
from jobs.core.states import State
from jobs.core.submission.job_labels import MOST_CHARS

DEFAULT_PER_S = 100.0
Moment = Annotated[datetime, Meta(tz=True)]
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
Priority = Annotated[int, Meta(ge=LOWEST, le=HIGHEST)]
Value = Annotated[str, Meta(max_length=MOST_CHARS, pattern=r"^[^\x00]*$")]


class BulkRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs, and how fast; a missing field is no filter. With `dry_run` they are only counted."""

    state: Annotated[State | None, Meta(description="Only jobs in this state.")] = None
    model: Annotated[
        Name | None, Meta(description="Only jobs of this model, or of a version: `name:version`.")
    ] = None
    client: Annotated[
        Name | None,
        Meta(description="The jobs of this client instead of yours; this takes the scope `admin`."),
    ] = None
    all_clients: Annotated[
        bool, Meta(description="The jobs of all clients; this takes the scope `admin`.")
    ] = False
    priority: Annotated[Priority | None, Meta(description="Only jobs of this priority.")] = None
    kind: Annotated[FailureKind | None, Meta(description="Only jobs whose error has this kind.")] = None
    code: Annotated[Name | None, Meta(description="Only jobs whose error has this code.")] = None
    fingerprint: Annotated[
        Name | None, Meta(description="Only dead jobs that failed alike: with this fingerprint.")
    ] = None
    created_after: Annotated[Moment | None, Meta(description="Only jobs that were created since then.")] = (
        None
    )
    created_before: Annotated[Moment | None, Meta(description="Only jobs that were created before.")] = None
    metadata: Annotated[
        Annotated[dict[Name, Value], Meta(min_length=1, max_length=1)] | None,
        Meta(
            description="Only jobs with this value of one field that the `model` names in `metadata_index`."
        ),
    ] = None
    rate_per_s: Annotated[
        float, Meta(ge=SLOWEST_PER_S, le=FASTEST_PER_S, description="Jobs a second, at most.")
    ] = DEFAULT_PER_S
    dry_run: Annotated[bool, Meta(description="Only count the jobs.")] = False


_decode = msgspec.json.Decoder(BulkRequest).decode


def parse_bulk_request(raw: bytes) -> BulkRequest:
    """Parse the body of a request; MalformedRequestError says what is wrong and where."""
    try:
        asked = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequestError(str(error)) from None
    return checked(asked)


def checked(asked: BulkRequest) -> BulkRequest:
    """Return a request whose parts agree; MalformedRequestError names those that do not."""
    if asked.metadata and not asked.model:
        raise MalformedRequestError("Name the `model` by whose `metadata_index` jobs are found.")
    if asked.client and asked.all_clients:
        raise MalformedRequestError("`client` and `all_clients` exclude each other.")
    if asked.created_after and asked.created_before and asked.created_after >= asked.created_before:
        raise MalformedRequestError("`created_after` must be before `created_before`.")
    return asked
