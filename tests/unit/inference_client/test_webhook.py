"""A receiver accepts only a webhook that one of its secrets signed just now."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from inference_client.webhook import TOLERANCE_S, WebhookRefusedError, verify
from jobs.core.webhooks.policy import secret_key, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "QUFB" * 11
JOB = {
    "id": "01890000-0000-7000-8000-000000000000",
    "state": "succeeded",
    "model": "echo",
    "version": "1",
    "attempts": 1,
    "created_at": "2026-01-31T12:00:00Z",
    "urls": {"self": "s", "wait": "w", "cancel": "c"},
    "output": {"n": 1},
}
BODY = json.dumps({"type": "job.succeeded", "timestamp": "2026-01-31T12:00:00Z", "data": JOB}).encode()
NOW_S = 1_790_000_000


def headers(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    signed = signature([secret_key(secret)], message_id="msg_1", timestamp_s=NOW_S, body=body)
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(NOW_S), "Webhook-Signature": signed}


def test_a_signed_webhook_is_verified_with_headers_in_any_case() -> None:
    hook = verify(headers(), BODY, [OTHER, SECRET], now=NOW_S + 1)
    assert (hook.type, hook.data.output) == ("job.succeeded", {"n": 1})


def test_an_other_signature_beside_ours_does_no_harm() -> None:
    named = headers()
    named["Webhook-Signature"] = "v1a,xyz v1,AAAA " + named["Webhook-Signature"]
    assert verify(named, BODY, [SECRET], now=NOW_S).data.state == "succeeded"


@pytest.mark.parametrize("late_s", [TOLERANCE_S + 1, -TOLERANCE_S - 1])
def test_an_old_or_early_webhook_is_refused(late_s: int) -> None:
    with pytest.raises(WebhookRefusedError, match="its timestamp is more than"):
        verify(headers(), BODY, [SECRET], now=NOW_S + late_s)


@pytest.mark.parametrize("missing", ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"])
def test_a_missing_header_is_refused(missing: str) -> None:
    incomplete = {name: value for name, value in headers().items() if name != missing}
    with pytest.raises(WebhookRefusedError, match="header"):
        verify(incomplete, BODY, [SECRET], now=NOW_S)


def test_another_body_or_secret_is_refused() -> None:
    for body, secrets in ((BODY + b" ", [SECRET]), (BODY, [OTHER])):
        with pytest.raises(WebhookRefusedError, match="none of your secrets"):
            verify(headers(), body, secrets, now=NOW_S)


def test_a_signed_riddle_is_refused() -> None:
    with pytest.raises(WebhookRefusedError, match="not a job's end"):
        verify(headers(b"{}"), b"{}", [SECRET], now=NOW_S)


def forged(key: bytes, timestamp: str = str(NOW_S), body: bytes = BODY) -> dict[str, str]:
    signed = base64.b64encode(
        hmac.digest(key, f"msg_1.{timestamp}.".encode() + body, hashlib.sha256)
    ).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signed}"}


@pytest.mark.parametrize(
    "secrets",
    [
        [],
        [""],
        ["whsec_"],
        ["   "],
        ["whsec_   "],
        ["whsec_!!!!"],
        ["whsec_AA"],
        ["whsec_" + "é" * 40],
        ["whsec_QUFB"],
        [SECRET.removeprefix("whsec_")],
        [SECRET + "\n"],
        [f" {SECRET}"],
        [b""],
        [None],
        "",
        SECRET,
        SECRET.encode(),
        [SECRET, ""],
        ["", SECRET],
    ],
)
def test_a_missing_or_malformed_secret_refuses_every_webhook(secrets: Any) -> None:
    for key in (b"", b"\0", b"AAA"):
        with pytest.raises(WebhookRefusedError, match="secret"):
            verify(forged(key), BODY, secrets, now=NOW_S)
    with pytest.raises(WebhookRefusedError, match="secret"):
        verify(headers(), BODY, secrets, now=NOW_S)


@pytest.mark.parametrize(
    "timestamp", ["", " ", "-1", "1e9", "1_790_000_000", "٣", f" {NOW_S}", "9" * 5_000, "nan"]
)
def test_a_timestamp_is_plain_digits(timestamp: str) -> None:
    with pytest.raises(WebhookRefusedError, match="header"):
        verify(forged(secret_key(SECRET), timestamp), BODY, [SECRET], now=NOW_S)


def test_headers_and_bodies_of_another_type_are_refused() -> None:
    odd: list[tuple[Any, Any]] = [
        ({name: value.encode() for name, value in headers().items()}, BODY),
        (headers() | {"Webhook-Signature": "v1,\udcff"}, BODY),
        (headers() | {"Webhook-Id": "é"}, BODY),
        ({b"webhook-id": "x"}, BODY),
        (headers(), BODY.decode()),
        (headers(), None),
    ]
    for given, body in odd:
        with pytest.raises(WebhookRefusedError):
            verify(given, body, [SECRET], now=NOW_S)


def test_many_signatures_of_a_large_body_cost_one_digest_a_secret() -> None:
    body = b"x" * 5_000_000
    named = forged(b"", body=body) | {"webhook-signature": "v1,AAAA " * 8_000}
    with pytest.raises(WebhookRefusedError, match="none of your secrets"):
        verify(named, body, [SECRET, OTHER], now=NOW_S)
