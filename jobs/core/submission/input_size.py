"""How large an input is as its model sees it, each file counted as often as the input refers to it. Pure.

Two measures: the bytes of its JSON text, which `MAX_RESOLVED_BYTES` limits, and an estimate of the memory
that a worker needs for the decoded input, which bounds a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from jobs.core.errors import InputTooLargeError
from jobs.core.payloads.pointer import StoredPayload

MOST_SIZE = 2**31 - 1  # of the column
# Decoded JSON: an element of a list takes a pointer and most often an object, a list or an object a header.
_ELEMENT_BYTES, _LIST_BYTES, _OBJECT_BYTES = 32, 64, 200
_JSON_FACTOR = 4  # for a JSON file whose contents are not read yet
_HEAVIEST = 8  # bytes of memory for each byte that an input may have


def media_type_of(file: StoredPayload) -> str:
    """Return a file's media type without its parameters, in lower case."""
    return file.content_type.partition(";")[0].strip().lower()


def is_json(file: StoredPayload) -> bool:
    """Return whether the model gets the decoded value of a file; of any other it gets a string."""
    return media_type_of(file) == "application/json"


def text_bytes(file: StoredPayload) -> int:
    """Return the bytes of a file in its place in an input: binary files stand there in base64."""
    plain = is_json(file) or media_type_of(file).startswith("text/")
    return file.size if plain else 4 * ((file.size + 2) // 3)


def resolved_bytes(body_bytes: int, files: Iterable[StoredPayload]) -> int:
    """Return the bytes of an input whose body has `body_bytes`; `files` names one for each reference."""
    return body_bytes + sum(map(text_bytes, files))


def memory_bytes(body: bytes, files: Iterable[StoredPayload] = ()) -> int:
    """Return about how many bytes an input takes once it is decoded, its files in their places."""
    return decoded_bytes(body) + sum(
        text_bytes(file) * (_JSON_FACTOR if is_json(file) else 1) for file in files
    )


def decoded_bytes(body: bytes) -> int:
    """Return about how many bytes a JSON text takes once it is decoded."""
    marks = body.count(b",") * _ELEMENT_BYTES + body.count(b"[") * _LIST_BYTES
    return len(body) + marks + body.count(b"{") * _OBJECT_BYTES


def check_resolved(total_bytes: int, most: int) -> None:
    """Raise InputTooLargeError for an input of more than `most` bytes."""
    if total_bytes > most:
        raise InputTooLargeError(
            f"The input has {total_bytes} bytes, its files counted as often as it refers to them;"
            f" at most {most}."
        )


def check_decoded(body: bytes, most: int) -> None:
    """Raise InputTooLargeError for a JSON file that is small as a text and huge once it is decoded."""
    if decoded_bytes(body) > _HEAVIEST * most:
        raise InputTooLargeError(f"A JSON file of {len(body)} bytes holds too many values to be decoded.")


def fitting(sizes: Sequence[int], most: int) -> int:
    """Return how many of the first inputs have at most `most` bytes together, and at least one."""
    return max(sum(total <= most for total in accumulate(sizes)), min(len(sizes), 1))
