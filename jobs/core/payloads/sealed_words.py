"""The words of a model about a failure, and their sealed form. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """What a model said of a failure: its message and traceback."""

    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class SealedWords:
    """The same as JSON, sealed; `encoding` names the key."""

    body: bytes
    encoding: str
