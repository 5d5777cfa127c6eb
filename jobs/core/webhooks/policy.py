"""Webhooks by the Standard Webhooks 1.0 specification: signatures, retries, verdicts on responses. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus


class DeliveryState(StrEnum):
    """The state of a webhook: `waiting` for its job's end or for its next attempt, or one of three ends."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DISABLED = "disabled"
    GIVEN_UP = "given_up"


SECRET_PREFIX = "whsec_"  # noqa: S105  # the prefix of every secret, no secret itself
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
# The longest waits before each further attempt; with full jitter they take a day on average.
LONGEST_WAITS_S = (10.0, 60.0, 600.0, 3_600.0, 14_400.0, 43_200.0, 57_600.0, 57_600.0)
MOST_TRIES = len(LONGEST_WAITS_S) + 1
MAX_RETRY_AFTER_S = 86_400.0
_WITH_RETRY_AFTER = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver accepted it."""


@dataclass(frozen=True, slots=True)
class Disabled:
    """The receiver wants no further webhooks at this address."""


@dataclass(frozen=True, slots=True)
class TryIn:
    """It is sent again after `delay_s`."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GivenUp:
    """There is no further attempt."""


Verdict = Delivered | Disabled | TryIn | GivenUp


def secret_text(key: bytes) -> str:
    """Return a key of 24 to 64 bytes as `whsec_` text; ValueError for another length."""
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise ValueError(f"a secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, not {len(key)}")
    return SECRET_PREFIX + base64.b64encode(key).decode()


def secret_key(text: str) -> bytes:
    """Return the key of a `whsec_` text; ValueError if it is malformed."""
    if not text.startswith(SECRET_PREFIX):
        raise ValueError(f"a secret starts with {SECRET_PREFIX}")
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a secret is base64 after its prefix") from None
    secret_text(key)
    return key


def signature(keys: Sequence[bytes], *, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the `webhook-signature` header: one `v1,` signature for each key, separated by spaces."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return " ".join(f"v1,{_signed(key, signed)}" for key in keys)


def verdict(
    status: int | None, *, attempts: int, retry_after: str | None, now: datetime, chance: float
) -> Verdict:
    """Return what follows the response to attempt number `attempts`; `status` is None without a response.

    `chance` in [0, 1) is the jitter. A receiver that asks for more time gets it, up to a day.
    """
    if status is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Delivered()
    if status == HTTPStatus.GONE:
        return Disabled()
    if attempts >= MOST_TRIES:
        return GivenUp()
    header_s = retry_after_s(retry_after, now=now) if status in _WITH_RETRY_AFTER else 0.0
    return TryIn(max(LONGEST_WAITS_S[attempts - 1] * chance, header_s))


def retry_after_s(header: str | None, *, now: datetime) -> float:
    """Return the seconds that a Retry-After header asks for, at most a day; 0 without a valid header."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def _signed(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
