import pytest

from jobs.core.canonical_json import canonical_bytes
from jobs.core.errors import PayloadCorruptError
from jobs.core.payloads.pointer import (
    MARK,
    POINTER_BYTES,
    StoredPayload,
    check,
    files_of,
    is_pointer,
    pointer_bytes,
    pointer_of,
    sha256_of,
)

BODY = StoredPayload("2026-11-24/a", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
FILE = StoredPayload("2026-11-24/b", 9, "0" * 64, "image/png")


def test_a_pointer_describes_its_object() -> None:
    body = pointer_bytes(BODY, [FILE])
    assert is_pointer(body)
    pointer = pointer_of(body)
    assert (pointer.name, pointer.size, pointer.sha256) == (BODY.name, BODY.size, BODY.sha256)
    assert files_of(body) == (FILE,)
    assert sha256_of(body) == BODY.sha256


@pytest.mark.parametrize("value", ["\0claim\0", {"\0claim\0": 1}, [], None, 0, -1.5, True, "", MARK.decode()])
def test_no_json_is_mistaken_for_a_pointer(value: object) -> None:
    assert not is_pointer(canonical_bytes(value))
    assert files_of(canonical_bytes(value)) == ()


def test_a_pointer_with_the_most_files_is_recognized_by_its_first_bytes() -> None:
    long = StoredPayload("2026-11-24/" + "n" * 60, 100_000_000, "f" * 64, "é" * 127, "client-key", bytes(60))
    assert len(pointer_bytes(BODY, [long] * 16)) < POINTER_BYTES


@pytest.mark.parametrize("broken", [b"", b"{", b"{}", b'{"name":1}', b"\xff"])
def test_a_broken_pointer_is_an_error_and_nothing_else(broken: bytes) -> None:
    with pytest.raises(PayloadCorruptError):
        pointer_of(MARK + broken)


@pytest.mark.parametrize("body", [b"abd", b"ab", b"", b"abcc"])
def test_other_bytes_than_those_that_were_stored_are_refused(body: bytes) -> None:
    assert check(BODY, b"abc") == b"abc"
    with pytest.raises(PayloadCorruptError, match=BODY.name):
        check(BODY, body)
