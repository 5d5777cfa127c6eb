import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.webhooks.policy import (
    LONGEST_WAITS_S,
    MAX_RETRY_AFTER_S,
    Delivered,
    Disabled,
    GivenUp,
    TryIn,
    Verdict,
    retry_after_s,
    secret_key,
    secret_text,
    signature,
    verdict,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEYS = st.binary(min_size=24, max_size=64)


def judged(
    status: int | None, *, attempts: int = 1, after: str | None = None, chance: float = 0.5
) -> Verdict:
    return verdict(status, attempts=attempts, retry_after=after, now=NOW, chance=chance)


def test_the_signature_is_the_specification_s_own_example() -> None:
    key = secret_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    header = signature(
        [key], message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp_s=1614265330, body=b'{"test": 2432232314}'
    )
    assert header == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(keys=st.lists(KEYS, min_size=1, max_size=2), body=st.binary())
def test_each_valid_key_signs_id_moment_and_body(keys: list[bytes], body: bytes) -> None:
    signatures = signature(keys, message_id="a", timestamp_s=7, body=body).split(" ")
    digests = [hmac.new(key, b"a.7." + body, hashlib.sha256).digest() for key in keys]
    assert signatures == [f"v1,{base64.b64encode(digest).decode()}" for digest in digests]


@given(KEYS)
def test_a_secret_s_text_gives_its_key_back(key: bytes) -> None:
    assert secret_key(secret_text(key)) == key


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_abc", "whsec_" + "?" * 32, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
)
def test_a_malformed_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a secret"):
        secret_key(text)


@given(st.integers(200, 299), st.integers(1, 20))
def test_any_2xx_is_the_end(status: int, attempts: int) -> None:
    assert judged(status, attempts=attempts) == Delivered()


def test_a_410_disables_the_address() -> None:
    assert judged(410) == Disabled()


@given(
    st.one_of(
        st.none(), st.integers(100, 599).filter(lambda status: not 200 <= status < 300 and status != 410)
    ),
    st.integers(1, len(LONGEST_WAITS_S)),
    st.floats(0, 1, exclude_max=True),
)
def test_anything_else_is_tried_again_within_its_longest_wait(
    status: int | None, attempts: int, chance: float
) -> None:
    assert judged(status, attempts=attempts, chance=chance) == TryIn(LONGEST_WAITS_S[attempts - 1] * chance)


def test_the_attempts_take_about_a_day_and_then_end() -> None:
    assert 20 * 3_600 < sum(LONGEST_WAITS_S) / 2 < 28 * 3_600
    assert judged(500, attempts=len(LONGEST_WAITS_S) + 1) == GivenUp()


@pytest.mark.parametrize(("status", "delay_s"), [(429, 700.0), (503, 700.0), (500, 5.0), (302, 5.0)])
def test_a_busy_receiver_sets_the_next_attempt(status: int, delay_s: float) -> None:
    assert judged(status, after="700") == TryIn(delay_s)


def test_a_moment_is_understood_too() -> None:
    at = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
    assert retry_after_s(at, now=NOW) == 90


@given(st.text())
def test_no_header_breaks_or_waits_for_more_than_a_day(header: str) -> None:
    assert 0 <= retry_after_s(header, now=NOW) <= MAX_RETRY_AFTER_S
