"""What a request on drift may say: from where a version's reference is to be. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

_AT = "RFC 3339; rounded down to the hour."


class DriftReferenceRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A period of the version's own jobs, from `since` up to `until`, or the reference of another version."""

    version: Annotated[
        str, Meta(min_length=1, max_length=127, description="The version: `2`, or `minilm:2`.")
    ]
    since: Annotated[datetime, Meta(tz=True, description=_AT)] | None = None
    until: Annotated[datetime, Meta(tz=True, description=_AT)] | None = None
    like: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=127,
                description="A version, maybe of another model, whose reference is copied.",
            ),
        ]
        | None
    ) = None
    reason: Annotated[str, Meta(max_length=500)] = ""
