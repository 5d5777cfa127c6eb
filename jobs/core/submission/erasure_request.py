"""A request to erase all jobs of a subject, read strictly. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec

from jobs.core.errors import MalformedRequestError

MOST_CHARS = 1_000


class ErasureRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The subject whose jobs are erased; with `dry_run` they are only counted."""

    subject: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=MOST_CHARS,
            description="The exact value of a field that models mark with `x-subject`, as text.",
        ),
    ]
    dry_run: Annotated[bool, msgspec.Meta(description="Only count the jobs.")] = False


_decode = msgspec.json.Decoder(ErasureRequest).decode


def parse_erasure(raw: bytes) -> ErasureRequest:
    """Parse the body of a request; MalformedRequestError says what is wrong and where."""
    try:
        return _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequestError(str(error)) from None
