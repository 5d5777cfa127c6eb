"""The bodies of calls on flags, read strictly; whatever reads a flag's document names what is wrong. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from jobs.core.errors import MalformedRequestError
from jobs.core.rollouts.rollout_requests import MOST_ASKS, MOST_LAST, Object, PreviewAsk, Reason
from models_registry.core.routing.rule_document import Sticky


class FlagPut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A flag to put in force, in the place of the one of its name."""

    document: Annotated[Object, Meta(description="For whom it is on: a flag document.")]
    reason: Reason = ""
    number: (
        Annotated[
            int,
            Meta(
                ge=0,
                description="The `number` of the flag that you read, 0 where there was none: one that has"
                " another by now is not changed.",
            ),
        ]
        | None
    ) = None


class FlagPreview(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A flag to try on jobs: on `asks`, or on the `last` stored jobs. Nothing is changed."""

    document: Annotated[Object, Meta(description="For whom it would be on: a flag document.")]
    sticky: (
        Annotated[
            Sticky,
            Meta(
                description="What the share is drawn by: that of the rule whose cohort names the flag. If"
                " missing, as for a switch of the platform: what a job's rule decided by, else its input."
            ),
        ]
        | None
    ) = None
    asks: (
        Annotated[
            list[PreviewAsk], Meta(min_length=1, max_length=MOST_ASKS, description="Jobs to decide for.")
        ]
        | None
    ) = None
    last: (
        Annotated[
            int, Meta(ge=1, le=MOST_LAST, description="So many of the newest stored jobs of all models.")
        ]
        | None
    ) = None


def checked_flag_preview(asked: FlagPreview) -> FlagPreview:
    """Return a preview with either `asks` or `last`; MalformedRequestError for both or none."""
    if (asked.asks is None) == (asked.last is None):
        raise MalformedRequestError("give one of `asks` and `last`")
    return asked
