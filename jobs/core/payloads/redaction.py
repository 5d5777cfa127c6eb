"""Redaction: replaces a job's personal data by tokens in texts that may quote its input. Pure.

Complete values are found, in upper or lower case: plain, as Python's `repr`, and as JSON. At a cut end of the
text the rest of a value is found too. A single word of a longer value is not found, because it could be any
other word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

SHORTEST = 3  # characters: shorter values occur everywhere
_NUMBER = re.compile(r"-?\d[\d.eE+-]*\d")


class Redactor:
    """Replaces each value in `parts`, at any depth, by its `token`.

    `names` are the property names of a schema: they are no data.
    """

    def __init__(self, parts: Iterable[Any], *, names: Collection[str], token: Callable[[Any], str]) -> None:
        """Collect the values once for all texts."""
        self._token = token
        self._words: dict[str, str] = {}
        self._numbers: dict[str, float] = {}
        for value in _leaves(parts, names):
            if isinstance(value, str):
                self._words |= dict.fromkeys(map(str.lower, _spellings(value)), value)
            else:
                self._numbers[json.dumps(value)] = value

    def text(self, text: str, *, most: int | None = None) -> str:
        """Return `text` with tokens; a text of `most` characters or more may have been cut at both ends."""
        if most is not None and len(text) >= most:
            text = self._without_edges(text)
        lowered = text.lower()
        words = sorted((word for word in self._words if word in lowered), key=len, reverse=True)
        if words:  # in one pass, so that no token is searched itself
            pattern = re.compile("|".join(map(re.escape, words)), re.IGNORECASE)
            text = pattern.sub(lambda match: self._token(self._words.get(match[0].lower(), match[0])), text)
        return _NUMBER.sub(self._number, text) if self._numbers else text

    def value(self, value: Any) -> Any:
        """Return a JSON value with tokens in its texts and names, and instead of its numbers."""
        if isinstance(value, dict):
            return {self.text(key): self.value(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.value(part) for part in value]
        if isinstance(value, str):
            return self.text(value)
        number = self._numbers.get(json.dumps(value))
        return value if number is None or isinstance(value, bool) else self._token(number)

    def _number(self, match: re.Match[str]) -> str:
        return self._token(self._numbers[match[0]]) if match[0] in self._numbers else match[0]

    def _without_edges(self, text: str) -> str:
        lowered = text.lower()
        end = max((_overlap(lowered, word) for word in self._words), default=0)
        start = max((_overlap(lowered[::-1], word[::-1]) for word in self._words), default=0)
        return text[start : len(text) - end]


def _overlap(text: str, word: str) -> int:
    """Return the length of the longest end of `text` that is a beginning of `word`, but not all of it."""
    longest = min(len(text), len(word) - 1)
    return next((n for n in range(longest, SHORTEST - 1, -1) if text.endswith(word[:n])), 0)


def _leaves(parts: Iterable[Any], names: Collection[str]) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, dict):
            yield from _leaves([key for key in part if key not in names], names)
            yield from _leaves(part.values(), names)
        elif isinstance(part, list):
            yield from _leaves(part, names)
        elif _is_distinctive(part):
            yield part


def _is_distinctive(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) >= SHORTEST
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and len(json.dumps(value)) >= SHORTEST
    )


def _spellings(value: str) -> set[str]:
    """Return the value itself, its Python `repr`, and its JSON with and without escapes.

    Also its stored form, because the message of a failure holds no NUL.
    """
    written = (json.dumps(value, ensure_ascii=ascii_only) for ascii_only in (True, False))
    storable = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return {value, storable, *(text[1:-1] for text in (repr(value), *written))}
