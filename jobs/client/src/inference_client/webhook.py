"""For receivers of webhooks: verifies that a webhook is recent and comes from the platform."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping

import msgspec

from inference_client.answers import RemoteJob

TOLERANCE_S = 300
# Standard Webhooks: a shorter key is no secret. The key of an empty one is known to everybody.
MIN_KEY_BYTES, MAX_KEY_BYTES = 24, 64
_PREFIX = "whsec_"
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


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

    Without a secret, or with one that is malformed, every webhook is refused. Each repeat of a webhook has
    the same `webhook-id`: a receiver that stores it can skip repeats.
    """
    keys = _keys(secrets)
    if not isinstance(body, bytes):
        raise WebhookRefusedError("pass the body as the bytes that came, not decoded")
    message_id, timestamp, signatures = _signed_headers(headers)
    if not abs((time.time() if now is None else now) - int(timestamp)) <= TOLERANCE_S:
        raise WebhookRefusedError(f"its timestamp is more than {TOLERANCE_S} s from now")
    signed = f"{message_id}.{timestamp}.".encode() + body
    # One digest a key: the sender decides how many signatures the header has, and how long the body is.
    expected = [_signature(key, signed) for key in keys]
    offered = signatures.encode().split()
    if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in offered):
        raise WebhookRefusedError("none of your secrets has signed it")
    return _decoded(body)


def _keys(secrets: Iterable[str]) -> list[bytes]:
    """Return the keys; WebhookRefusedError unless there is one, and each is well formed.

    One malformed secret refuses all: it is a mistake in a setting, which nobody would see otherwise.
    """
    if isinstance(secrets, str | bytes | bytearray):  # its letters would be taken for secrets
        raise WebhookRefusedError("pass a list of secrets, not one text")
    keys = [_key(secret) for secret in secrets]
    if not keys:
        raise WebhookRefusedError("you have no secret to verify it with")
    return keys


def _key(secret: str) -> bytes:
    if not isinstance(secret, str) or not secret.startswith(_PREFIX):
        raise WebhookRefusedError(f"one of your secrets is no text that starts with {_PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:  # also of letters outside ASCII
        raise WebhookRefusedError(f"one of your secrets is not base64 after {_PREFIX}") from None
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise WebhookRefusedError(
            f"one of your secrets has not {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes after {_PREFIX}"
        )
    return key


def _signed_headers(headers: Mapping[str, str]) -> list[str]:
    """Return the id, the timestamp and the signatures, as they were sent."""
    lower = {name.lower(): value for name, value in headers.items() if isinstance(name, str)}
    values = [lower.get(name) for name in _HEADERS]
    texts = [value for value in values if isinstance(value, str) and value.isascii() and value.strip()]
    if len(texts) != len(_HEADERS) or not _TIMESTAMP.fullmatch(texts[1]):
        raise WebhookRefusedError("one of the three headers is missing or malformed")
    return texts


def _signature(key: bytes, signed: bytes) -> bytes:
    return b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))


def _decoded(body: bytes) -> Webhook:
    try:
        return msgspec.json.decode(body, type=Webhook)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise WebhookRefusedError(f"it is signed, but not a job's end: {error}") from None
