"""Digests of subjects: by them, and not by its inputs, a client's jobs of one person are found again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobs.core.canonical_json import canonical_bytes
from jobs.payloads import vault
from models_registry.core import pii
from models_registry.core.registry_errors import InvalidInputError
from models_registry.core.version import VersionInfo

MOST_SUBJECTS = 100


def subject_digests(version: VersionInfo, value: Any, *, client: int) -> tuple[bytes, ...]:
    """Return a digest of each subject that the version's schema marks in an input.

    InvalidInputError for more than `MOST_SUBJECTS`: each one is a row.
    """
    if not version.subject_marks:
        return ()
    texts = set[str]()
    for part in pii.marked(version.subject_marks, value):
        for text in _texts(part):
            texts.add(text)
            if len(texts) > MOST_SUBJECTS:
                raise InvalidInputError(f"The input names more than {MOST_SUBJECTS} subjects.", pointer="")
    return tuple(subject_digest(text, client=client) for text in sorted(texts))


def subject_digest(text: str, *, client: int) -> bytes:
    """Return the keyed digest of one subject of a client; the same value of two clients differs."""
    return vault.digest("subject", b"%d:" % client + text.encode("utf-8", "surrogatepass"))


def _texts(part: Any) -> Iterator[str]:
    """Yield the values of a marked part: of an object or array each, a number as JSON writes it."""
    if isinstance(part, dict):
        for value in part.values():
            yield from _texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from _texts(value)
    elif part is not None:
        yield part if isinstance(part, str) else canonical_bytes(part).decode()
