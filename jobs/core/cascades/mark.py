"""The mark of a cascade's job: a bit above the 28 of its parameters' digest, in its row and its message.

So a worker knows a cascade's job without a statement, and the claim compares it with the row as it compares
the digest. Batches are made by the digest alone, so that jobs of a cascade run beside others.
"""

from __future__ import annotations

from hashlib import md5

LEAST_MARKED = _BIT = 1 << 28
_DIGITS = 7  # of four bits each


def marked(digest: int) -> int:
    """Return the digest of a job's parameters with the mark of a cascade."""
    return digest | _BIT


def is_marked(digest: int) -> bool:
    """Return whether a message says that its job is of a cascade."""
    return bool(digest & _BIT)


def without_mark(digest: int) -> int:
    """Return the digest by which jobs share batches."""
    return digest & ~_BIT


def open_digest(parameters: bytes | None) -> int:
    """Return the digest of parameters that are not sealed, as the outbox would make it."""
    if not parameters:
        return 0
    return int(md5(parameters, usedforsecurity=False).hexdigest()[:_DIGITS], 16)
