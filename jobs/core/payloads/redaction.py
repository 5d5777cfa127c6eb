"""Redaction: a text that may quote what a job was asked, with tokens where it does. Pure.

Whole values are found, in capitals or not, as they are, as Python shows them and as JSON writes them; and
what is left of one where the text was cut. A word out of a longer value is not found: nothing tells it from
any other word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

SHORTEST = 3  # characters: what is shorter stands everywhere
_NUMBER = re.compile(r"-?\d[\d.eE+-]*\d")


class Redactor:
    """Puts `token` of a value in the place of each value among `parts`, and of all that lies in those.

    `known` are the names that a schema gives to properties: they are no data.
    """

    def __init__(self, parts: Iterable[Any], *, known: Collection[str], token: Callable[[Any], str]) -> None:
        """Look for the values now, for the texts that come."""
        self._token = token
        self._words: dict[str, str] = {}
        self._numbers: dict[str, float] = {}
        for value in _leaves(parts, known):
            if isinstance(value, str):
                self._words |= dict.fromkeys(map(str.lower, _spellings(value)), value)
            else:
                self._numbers[json.dumps(value)] = value

    def text(self, text: str, *, most: int | None = None) -> str:
        """Return `text` with tokens; one of `most` characters or more may have been cut at either end."""
        if most is not None and len(text) >= most:
            text = self._without_edges(text)
        lowered = text.lower()
        found = sorted((word for word in self._words if word in lowered), key=len, reverse=True)
        if found:  # in one pass, for a token is no place to look in
            pattern = re.compile("|".join(map(re.escape, found)), re.IGNORECASE)
            text = pattern.sub(lambda at: self._token(self._words.get(at[0].lower(), at[0])), text)
        return _NUMBER.sub(self._number, text) if self._numbers else text

    def value(self, value: Any) -> Any:
        """Return a JSON value with tokens in its texts and names, and in the place of its numbers."""
        if isinstance(value, dict):
            return {self.text(key): self.value(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.value(part) for part in value]
        if isinstance(value, str):
            return self.text(value)
        found = self._numbers.get(json.dumps(value))
        return value if found is None or isinstance(value, bool) else self._token(found)

    def _number(self, found: re.Match[str]) -> str:
        return self._token(self._numbers[found[0]]) if found[0] in self._numbers else found[0]

    def _without_edges(self, text: str) -> str:
        lowered = text.lower()
        end = max((_overlap(lowered, word) for word in self._words), default=0)
        start = max((_overlap(lowered[::-1], word[::-1]) for word in self._words), default=0)
        return text[start : len(text) - end]


def _overlap(text: str, word: str) -> int:
    """Return how many characters at the end of `text` begin `word`, at the most, short of all of it."""
    longest = min(len(text), len(word) - 1)
    return next((n for n in range(longest, SHORTEST - 1, -1) if text.endswith(word[:n])), 0)


def _leaves(parts: Iterable[Any], known: Collection[str]) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, dict):
            yield from _leaves([key for key in part if key not in known], known)
            yield from _leaves(part.values(), known)
        elif isinstance(part, list):
            yield from _leaves(part, known)
        elif _is_telling(part):
            yield part


def _is_telling(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) >= SHORTEST
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and len(json.dumps(value)) >= SHORTEST
    )


def _spellings(value: str) -> set[str]:
    """Return the value as it is, as Python's `repr` has it, and as JSON has it with and without escapes.

    Also as a failure is stored: no message holds a NUL.
    """
    written = (json.dumps(value, ensure_ascii=ascii_only) for ascii_only in (True, False))
    storable = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return {value, storable, *(text[1:-1] for text in (repr(value), *written))}
