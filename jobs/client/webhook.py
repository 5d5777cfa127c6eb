"""For whoever receives webhooks: whether one is from the platform, and was sent just now."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping

import msgspec

from jobs.client.answers import RemoteJob

TOLERANCE_S = 300


class WebhookRefusedError(Exception):
    """A webhook that is not to be believed; the message says why."""


class Webhook(msgspec.Struct, frozen=True):
    """What a job's end is told by; `type` is `job.` and the state."""

    type: str
    data: RemoteJob


def verify(
    headers: Mapping[str, str], body: bytes, secrets: Iterable[str], *, now: float | None = None
) -> Webhook:
    """Return what a webhook tells, once one of `secrets` (`whsec_…`) has signed it; WebhookRefusedError.

    `webhook-id` is the same each time that one is sent: whoever keeps it does nothing twice.
    """
    named = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, sent_s = named["webhook-id"], int(named["webhook-timestamp"])
        given = named["webhook-signature"].split()
    except (KeyError, ValueError):
        raise WebhookRefusedError("a header of the three is missing or no number") from None
    if abs((time.time() if now is None else now) - sent_s) > TOLERANCE_S:
        raise WebhookRefusedError(f"it was sent more than {TOLERANCE_S} s ago, or will be")
    signed = f"{message_id}.{sent_s}.".encode() + body
    if not any(_matches(secret, signed, each) for secret in secrets for each in given):
        raise WebhookRefusedError("no secret of yours has signed it")
    return _told(body)


def _matches(secret: str, signed: bytes, given: str) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return hmac.compare_digest(f"v1,{expected}".encode(), given.encode())


def _told(body: bytes) -> Webhook:
    try:
        return msgspec.json.decode(body, type=Webhook)
    except msgspec.MsgspecError as error:
        raise WebhookRefusedError(f"it is signed and tells nothing known: {error}") from None
