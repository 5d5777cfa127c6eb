"""Keyed digests: equal values, equal digests, and nothing without the key."""

from __future__ import annotations

from hashlib import blake2b

from jobs.core.payloads.keyed_digest import short_digester

KEY, OTHER = b"k" * 32, b"o" * 32


def test_a_short_digest_is_keyed_blake2b_of_eight_bytes() -> None:
    short = short_digester(KEY)
    values = [b"", b"a", b"a" * 1_000]
    assert [short(value) for value in values] == [
        blake2b(value, key=KEY, digest_size=8).digest() for value in values
    ]


def test_a_short_digest_depends_on_the_key_and_not_on_earlier_values() -> None:
    short = short_digester(KEY)
    assert short(b"a") == short(b"a") != short_digester(OTHER)(b"a")
