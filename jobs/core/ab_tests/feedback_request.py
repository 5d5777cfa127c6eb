"""Feedback as a client sends it: a wrong shape is malformed, a wrong value is refused. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any, NoReturn
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from jobs.core.errors import FeedbackError, MalformedRequestError, PlatformError

MOST_NAME_CHARS = 63
MOST_LABEL_CHARS = 200
MOST_ITEMS = 1_000
LARGEST_VALUE = 1e100  # the squares of larger ones are no numbers of eight bytes

Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z",
        description="What is said of the answer, such as `clicked` or `true_label`; once a job.",
        examples=["clicked"],
    ),
]
Value = Annotated[
    bool | int | float | str,
    Meta(
        description=(
            "A number from -1e100 to 1e100, a boolean (which counts as 1 or 0), or a text of up to 200"
            " characters."
        ),
        examples=[True],
    ),
]


class FeedbackGiven(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client says of the answer of one job."""

    name: Name
    value: Value


class FeedbackItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client says of the answer of the job that it names."""

    job: UUID
    name: Name
    value: Value


class FeedbackMany(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client says of the answers of many jobs."""

    feedback: Annotated[list[FeedbackItem], Meta(min_length=1, max_length=MOST_ITEMS)]


class FeedbackSaid(Struct, frozen=True, gc=False):
    """One thing that a client says of a job: either a number or a label."""

    job: UUID
    name: str
    value: float | None = None
    label: str | None = None


Content = float | str


def read_one(raw: bytes, job: UUID) -> FeedbackSaid:
    """Return what a body says of a job; MalformedRequestError, or FeedbackError for a value."""
    return _said(job, _converted(_parsed(raw), FeedbackGiven))


def read_many(raw: bytes) -> list[FeedbackSaid | PlatformError]:
    """Return what a body says, or what is wrong, item by item; MalformedRequestError for the whole."""
    body = _parsed(raw)
    if not isinstance(body, Mapping) or set(body) != {"feedback"} or not isinstance(body["feedback"], list):
        raise MalformedRequestError("the body is an object with one list: `feedback`")
    items = body["feedback"]
    if not 1 <= len(items) <= MOST_ITEMS:
        raise MalformedRequestError(f"`feedback` has 1 to {MOST_ITEMS:,} items, and not {len(items):,}")
    return [_item(item) for item in items]


def _item(item: Any) -> FeedbackSaid | PlatformError:
    try:
        asked = _converted(item, FeedbackItem)
        return _said(asked.job, asked)
    except PlatformError as error:
        return error.with_traceback(None)


def _parsed(raw: bytes) -> Any:
    """Return a body as JSON, where NaN and infinity stand as numbers, to be refused with their item."""
    try:
        return json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError(f"the body is no JSON: {error}"[:200]) from None


def _converted(value: Any, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise MalformedRequestError(str(error)) from None
    except UnicodeEncodeError:  # msgspec cannot compare or show such a text
        raise MalformedRequestError("a text holds half of a surrogate pair, which is no character") from None


def _said(job: UUID, given: FeedbackGiven | FeedbackItem) -> FeedbackSaid:
    content = _checked(given.value)
    if isinstance(content, str):
        return FeedbackSaid(job, given.name, label=content)
    return FeedbackSaid(job, given.name, value=content)


def _checked(value: float | str) -> Content:  # an int or a boolean is a float to a type checker
    if isinstance(value, str):
        return _label(value)
    try:
        number = float(value)
    except OverflowError:
        _refuse("is larger than a number of eight bytes")
    if not isfinite(number):
        _refuse("is not finite")
    if abs(number) > LARGEST_VALUE:
        _refuse(f"is too large: a number lies between -{LARGEST_VALUE:g} and {LARGEST_VALUE:g}")
    return number


def _label(text: str) -> str:
    if len(text) > MOST_LABEL_CHARS:
        _refuse(f"has {len(text):,} characters: a label has {MOST_LABEL_CHARS} at most")
    if "\0" in text:
        _refuse("holds the character NUL, which cannot be stored")
    if any("\ud800" <= char <= "\udfff" for char in text):
        _refuse("holds half of a surrogate pair, which is no character")
    return text


def _refuse(why: str) -> NoReturn:
    raise FeedbackError(f"The value {why}.")
