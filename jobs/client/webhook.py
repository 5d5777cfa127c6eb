"""For receivers of webhooks: verifies that a webhook is recent and comes from the platform."""

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
    """The webhook is not genuine; the message says why."""


class Webhook(msgspec.Struct, frozen=True):
    """The webhook of a job's end; `type` is `job.` and the state."""

    type: str
    data: RemoteJob


def verify(
    headers: Mapping[str, str], body: bytes, secrets: Iterable[str], *, now: float | None = None
) -> Webhook:
    """Return a webhook that one of `secrets` (`whsec_…`) has signed; WebhookRefusedError for any other.

    Each repeat of a webhook has the same `webhook-id`: a receiver that stores it can skip repeats.
    """
    values = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, sent_s = values["webhook-id"], int(values["webhook-timestamp"])
        signatures = values["webhook-signature"].split()
    except (KeyError, ValueError):
        raise WebhookRefusedError("one of the three headers is missing or malformed") from None
    if abs((time.time() if now is None else now) - sent_s) > TOLERANCE_S:
        raise WebhookRefusedError(f"its timestamp is more than {TOLERANCE_S} s from now")
    signed = f"{message_id}.{sent_s}.".encode() + body
    if not any(_matches(secret, signed, signature) for secret in secrets for signature in signatures):
        raise WebhookRefusedError("none of your secrets has signed it")
    return _decoded(body)


def _matches(secret: str, signed: bytes, signature: str) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return hmac.compare_digest(f"v1,{expected}".encode(), signature.encode())


def _decoded(body: bytes) -> Webhook:
    try:
        return msgspec.json.decode(body, type=Webhook)
    except msgspec.MsgspecError as error:
        raise WebhookRefusedError(f"it is signed, but not a job's end: {error}") from None
