"""Real English sentences that every machine has: the help topics of Python's standard library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pydoc_data.topics import topics

SHORTEST, LONGEST = 5, 40  # words
_BLOCKS = re.compile(r"\n\s*\n")
_ENDS = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_NOT_PROSE = ("::=", ">>>", "***", "===", "---", "|", "U+")


def sentences(limit: int) -> list[str]:
    """Return up to `limit` distinct sentences of 5 to 40 words, in an order that never changes."""
    distinct = dict.fromkeys(_sentences())
    return list(distinct)[:limit]


def _sentences() -> Iterator[str]:
    for name in sorted(topics):
        for block in _BLOCKS.split(topics[name]):
            if not any(sign in block for sign in _NOT_PROSE):
                yield from filter(_is_sentence, _ENDS.split(" ".join(block.split())))


def _is_sentence(text: str) -> bool:
    words = len(text.split())
    return SHORTEST <= words <= LONGEST and text[0].isupper() and text[-1] in ".!?"
