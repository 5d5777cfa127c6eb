from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.errors import EncryptionUnavailableError, PayloadKeyMissingError, PayloadUnreadableError
from jobs.core.payloads.job_keys import JobIdentity, Place
from jobs.core.payloads.keyring import NONCE_BYTES, Column, Keyring

RING = Keyring({"a": b"a" * 32, "b": b"b" * 32})
HERE = Place(JobIdentity(UUID(int=1), 1, 1), Column.INPUT)
Nonce = st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES)
Numbers = st.integers(1, 2**40)
Identities = st.builds(JobIdentity, st.uuids(), Numbers, Numbers)
Somewhere = st.builds(Place, Identities, st.sampled_from(Column), st.booleans())


@given(st.binary(), Nonce, Somewhere)
def test_a_sealed_value_is_readable_in_its_place_and_shows_no_plain_text(
    plain: bytes, nonce: bytes, place: Place
) -> None:
    stored = RING.seal(plain, place=place, nonce=nonce)
    assert RING.unseal(stored, encoding=RING.encoding, place=place) == plain
    assert len(stored) == len(plain) + 28
    assert len(plain) < 4 or plain not in stored[NONCE_BYTES:]


@given(st.binary(), Nonce, Somewhere, Somewhere)
def test_a_sealed_value_is_unreadable_in_any_other_place(
    plain: bytes, nonce: bytes, place: Place, other: Place
) -> None:
    stored = RING.seal(plain, place=place, nonce=nonce)
    if other != place:
        with pytest.raises(PayloadUnreadableError):
            RING.unseal(stored, encoding="aesgcm:a", place=other)


@given(st.binary(), Nonce, st.data())
def test_a_sealed_value_with_any_changed_bit_is_unreadable(
    plain: bytes, nonce: bytes, data: st.DataObject
) -> None:
    stored = bytearray(RING.seal(plain, place=HERE, nonce=nonce))
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(PayloadUnreadableError):
        RING.unseal(bytes(stored), encoding="aesgcm:a", place=HERE)


@pytest.mark.parametrize("stored", [b"", b"short", b"x" * 27])
def test_a_body_too_short_to_be_sealed_is_unreadable(stored: bytes) -> None:
    with pytest.raises(PayloadUnreadableError):
        RING.unseal(stored, encoding="aesgcm:a", place=HERE)


def test_the_first_key_seals_and_the_others_open() -> None:
    stored = Keyring({"b": b"b" * 32}).seal(b"plain", place=HERE, nonce=b"n" * 12)
    assert RING.encoding == "aesgcm:a"
    assert RING.unseal(stored, encoding="aesgcm:b", place=HERE) == b"plain"
    with pytest.raises(PayloadUnreadableError):
        RING.unseal(stored, encoding="aesgcm:a", place=HERE)


@pytest.mark.parametrize("encoding", ["aesgcm:c", "gzip", "aesgcm:", "a"])
def test_a_missing_key_is_named(encoding: str) -> None:
    with pytest.raises(PayloadKeyMissingError, match=encoding):
        RING.unseal(b"", encoding=encoding, place=HERE)


def test_without_a_key_nothing_is_sealed() -> None:
    nobody = Keyring({})
    with pytest.raises(EncryptionUnavailableError):
        nobody.require()
    with pytest.raises(EncryptionUnavailableError):
        _ = nobody.encoding


def test_no_key_is_shown() -> None:
    assert "aaaa" not in repr(RING)
