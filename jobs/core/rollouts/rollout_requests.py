"""The bodies of calls on rules, roll-outs and the states of versions, read strictly. Pure.

A rule's document and a roll-out's plan stay as they are written: whatever reads them names what is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from jobs.core.errors import MalformedRequestError
from jobs.core.nul_character import refuse_nul
from models_registry.core.refs import DEFAULT_ALIAS
from models_registry.core.rollouts.rollout_plan import MOST_BUDGET

LONGEST_REASON = 2_000
MOST_ASKS = 1_000
MOST_LAST = 10_000
Object = dict[str, Any]
Name = Annotated[str, Meta(min_length=1, max_length=127)]
Alias = Annotated[str, Meta(min_length=1, max_length=63, description="The alias of the model.")]
Reason = Annotated[str, Meta(max_length=LONGEST_REASON, description="Why; it is kept in the record.")]


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body whose unknown members are errors."""


class RulePut(_Request, frozen=True):
    """A rule to put in force for an alias, in the place of the one before."""

    document: Annotated[Object, Meta(description="What answers for the alias: a rule document.")]
    alias: Alias = DEFAULT_ALIAS
    reason: Reason = ""


class PreviewAsk(_Request, frozen=True):
    """A job as a rule sees it."""

    input: Annotated[Any, Meta(description="The input; it decides where the rule is sticky by `input`.")] = (
        None
    )
    client: Annotated[Name | None, Meta(description="The client's name; yours if missing.")] = None
    priority: Annotated[int, Meta(ge=0, le=9)] = 4
    metadata: Object | None = None
    parameters: Object | None = None


class RulePreview(_Request, frozen=True):
    """A rule to try on jobs: on `asks`, or on the alias's `last` stored jobs. Nothing is changed."""

    document: Annotated[Object, Meta(description="What would answer for the alias: a rule document.")]
    alias: Alias = DEFAULT_ALIAS
    asks: (
        Annotated[
            list[PreviewAsk], Meta(min_length=1, max_length=MOST_ASKS, description="Jobs to decide for.")
        ]
        | None
    ) = None
    last: (
        Annotated[
            int, Meta(ge=1, le=MOST_LAST, description="So many of the newest stored jobs of the alias.")
        ]
        | None
    ) = None


class RolloutStart(_Request, frozen=True):
    """A candidate that is to get the traffic of an alias."""

    candidate: Annotated[
        str, Meta(min_length=1, max_length=127, description="The version: `2`, or `minilm:2`.")
    ]
    alias: Alias = DEFAULT_ALIAS
    plan: Annotated[Object, Meta(description="How; every field of a plan has a default.")] = msgspec.field(
        default_factory=dict
    )
    reason: Reason = ""
    ticket: Annotated[str, Meta(max_length=200, description="Of the change, in another system.")] = ""


class RolloutReason(_Request, frozen=True):
    """Why a person does this to a roll-out."""

    reason: Reason = ""


class RolloutApprove(_Request, frozen=True):
    """The approval of a roll-out's plan, as it is or as it was read."""

    sha256: (
        Annotated[
            str,
            Meta(
                pattern="^[0-9a-f]{64}$",
                description="Of the plan that was read: a plan that has changed since is not approved.",
            ),
        ]
        | None
    ) = None
    reason: Reason = ""


class RolloutPromotion(_Request, frozen=True):
    """The next step of a roll-out, now."""

    anyway: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=LONGEST_REASON,
                description="Why it goes on although evidence is missing; without it that is refused.",
            ),
        ]
        | None
    ) = None
    reason: Reason = ""


class RolloutBudget(_Request, frozen=True):
    """Another budget of a roll-out's candidate."""

    budget: Annotated[
        int,
        Meta(
            ge=1,
            le=MOST_BUDGET,
            description="Jobs that it may meet until it is proven, those met so far included.",
        ),
    ]
    reason: Reason = ""


class VersionChange(_Request, frozen=True):
    """Why a version changes its state; `block` and `unblock` need a reason."""

    reason: Reason = ""


class ShadowAct(_Request, frozen=True):
    """Why the shadow of a rule is stopped or started."""

    reason: Reason = ""


Body = TypeVar("Body", bound=msgspec.Struct)


def parse_body(raw: bytes, kind: type[Body]) -> Body:
    """Parse a body, no bytes for an empty object; MalformedRequestError says what is wrong and where."""
    refuse_nul(raw)
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequestError(str(error)) from None


def parse_value(value: Object, kind: type[Body]) -> Body:
    """Return a body that a command has read already; MalformedRequestError says what is wrong and where."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise MalformedRequestError(str(error)) from None


def checked_preview(asked: RulePreview) -> RulePreview:
    """Return a preview with either `asks` or `last`; MalformedRequestError for both or none."""
    if (asked.asks is None) == (asked.last is None):
        raise MalformedRequestError("give one of `asks` and `last`")
    return asked
