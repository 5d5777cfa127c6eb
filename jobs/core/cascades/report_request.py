"""What a call on the report of a cascade may say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from jobs.core.errors import MalformedRequestError
from jobs.core.trials.trial_specs import Label

MOST_JOBS = 10_000
Labels = Annotated[dict[str, Label], Meta(min_length=1, max_length=MOST_JOBS)]
MOST_PLACE_CHARS = 200


class CascadeAsk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs of a cascade to report on, and which answers of theirs would be right."""

    most: Annotated[int, Meta(ge=1, le=MOST_JOBS, description="The newest jobs, at most so many.")] = (
        MOST_JOBS
    )
    labels: Annotated[Labels | None, Meta(description="The right label of each job, by the job's id.")] = None
    at: Annotated[
        Annotated[str, Meta(max_length=MOST_PLACE_CHARS, pattern=r"^(/[^/\x00]*)*\Z")] | None,
        Meta(
            description="Where the label is in an output: a JSON pointer, such as `/digit`. By default where"
            " the last version's option `agreement` compares labels, or `/label`."
        ),
    ] = None

    @property
    def truths(self) -> Mapping[UUID, str]:
        """Return the right labels by job."""
        return {UUID(job): label for job, label in (self.labels or {}).items()}


_decode = msgspec.json.Decoder(CascadeAsk).decode


def parse_ask(raw: bytes) -> CascadeAsk:
    """Parse the body of a request; MalformedRequestError says what is wrong and where."""
    try:
        asked = _decode(raw or b"{}")
        _ = asked.truths
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequestError(str(error)) from None
    except ValueError:
        raise MalformedRequestError("`labels` are by the ids of jobs.") from None
    return asked
