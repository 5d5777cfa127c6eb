"""A file that was sealed in pieces comes back whole, or not at all."""

from __future__ import annotations

from io import BytesIO
from itertools import count

import pytest

from jobs.core.errors import PayloadKeyMissingError, PayloadUnreadableError
from jobs.core.payloads.keyring import Keyring, SealedPlace
from jobs.core.payloads.sealed_file import (
    PIECE_BYTES,
    SALT_BYTES,
    SEALED_PIECE_BYTES,
    Flow,
    Read,
    exactly,
    plain_size,
    sealed_pieces,
    unsealed_pieces,
)

RING = Keyring({"k": b"k" * 32})
SIZES = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 3 * PIECE_BYTES + 7]
nonces = count()


def content(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def seal(plain: bytes, place: SealedPlace) -> bytes:
    return RING.seal(plain, place=place, nonce=next(nonces).to_bytes(12))


def unseal(sealed: bytes, place: SealedPlace) -> bytes:
    return RING.unseal(sealed, encoding="aesgcm:k", place=place)


def sealed(plain: bytes, salt: bytes = b"s" * SALT_BYTES) -> bytes:
    return b"".join(sealed_pieces(BytesIO(plain).read, seal=seal, salt=salt))


def unsealed(body: bytes) -> bytes:
    return b"".join(unsealed_pieces(BytesIO(body).read, unseal=unseal))


def pieces(body: bytes) -> tuple[bytes, list[bytes]]:
    salt, rest = body[:SALT_BYTES], body[SALT_BYTES:]
    return salt, [rest[at : at + SEALED_PIECE_BYTES] for at in range(0, len(rest), SEALED_PIECE_BYTES)]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_of_any_size_is_unsealed_unchanged(size: int) -> None:
    body = sealed(content(size))
    assert unsealed(body) == content(size)
    assert size < 8 or content(size)[:8] not in body
    assert plain_size(len(body)) == size


def few(body: bytes) -> Read:
    source = BytesIO(body)
    return lambda size: source.read(min(size, 100_000))


def test_a_source_that_gives_a_little_at_a_time_makes_no_other_file() -> None:
    plain = content(2 * PIECE_BYTES + 5)
    body = b"".join(sealed_pieces(few(plain), seal=seal, salt=b"s" * SALT_BYTES))
    assert b"".join(unsealed_pieces(few(body), unseal=unseal)) == plain
    assert exactly(few(plain), 250_000) == plain[:250_000]


def test_a_stream_returns_as_much_as_requested() -> None:
    flow = Flow(iter([b"ab", b"cdef", b"g"]))
    assert [flow.read(3), flow.read(3), flow.read(3), flow.read(3)] == [b"abc", b"def", b"g", b""]


@pytest.mark.parametrize(
    "order",
    [[0, 1], [0, 1, 1], [0, 1, 2, 2], [1, 0, 2], [1, 2], [2], []],
    ids=lambda order: f"pieces {order}",
)
def test_missing_doubled_and_moved_pieces_are_detected(order: list[int]) -> None:
    salt, parts = pieces(sealed(content(2 * PIECE_BYTES + 5)))
    with pytest.raises(PayloadUnreadableError):
        unsealed(salt + b"".join(parts[at] for at in order))


def test_a_piece_of_another_file_is_noticed() -> None:
    (salt, parts), (_, others) = (
        pieces(sealed(content(PIECE_BYTES + 5), name * SALT_BYTES)) for name in (b"s", b"t")
    )
    for mixed in ([parts[0], others[1]], [others[0], parts[1]], others):
        with pytest.raises(PayloadUnreadableError):
            unsealed(salt + b"".join(mixed))


@pytest.mark.parametrize("at", [0, SALT_BYTES, SALT_BYTES + 12, -1])
def test_a_changed_byte_is_noticed(at: int) -> None:
    body = bytearray(sealed(b"some words"))
    body[at] ^= 1
    with pytest.raises(PayloadUnreadableError):
        unsealed(bytes(body))


def test_a_truncated_file_and_a_missing_key_are_detected() -> None:
    body = sealed(content(PIECE_BYTES + 5))
    for size in (0, 5, SALT_BYTES, SALT_BYTES + 3, SALT_BYTES + SEALED_PIECE_BYTES, len(body) - 1):
        with pytest.raises(PayloadUnreadableError):
            unsealed(body[:size])
    gone = Keyring({"other": b"o" * 32})
    with pytest.raises(PayloadKeyMissingError):
        list(
            unsealed_pieces(
                BytesIO(body).read, unseal=lambda b, p: gone.unseal(b, encoding="aesgcm:k", place=p)
            )
        )
