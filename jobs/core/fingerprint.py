"""The fingerprint that groups failures which look alike: kind, exception type and last frame."""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST_CHARS = 255
NOWHERE = "-"
_HEADER = "Traceback (most recent call last):"
_FRAME = re.compile(r'  File "(?P<path>.+)", line \d+(?:, in (?P<function>.+))?')
_TYPE = re.compile(r"[^\W\d][\w.]*(?=:|$)")
_INSTALLED = re.compile(r".*/(?:site|dist)-packages/|.*/lib/python[\d.]+/")
# What differs from run to run in a file's name: what tempfile made up, hashes, long numbers.
_VARYING = re.compile(r"(?<=tmp)[a-z0-9_]{8}(?![a-z0-9_])|(?<![a-z0-9])(?=[a-f]*\d)[0-9a-f]{8,}")


def fingerprint(kind: str, code: str, traceback: str) -> str:
    """Return `kind:type:file:function`, at most 255 characters.

    The last frame and the type are read from Python's `traceback`; where it has none, `code` stands for the
    type and `-` for the frame. Line numbers, folders and the message leave no mark.
    """
    block = _last_block(traceback.splitlines())
    frames = [frame for line in block if (frame := _FRAME.fullmatch(line))]
    if not frames:
        return f"{kind}:{code}:{NOWHERE}"[:MOST_CHARS]
    where = f"{_file(frames[-1]['path'])}:{frames[-1]['function'] or NOWHERE}"
    return f"{kind}:{_type(block) or code}:{where}"[:MOST_CHARS]


def _last_block(lines: Sequence[str]) -> list[str]:
    """Return the lines of the last exception, its own line last: a message below it may say anything."""
    # A long traceback was cut at its beginning: what is left of the line that was cut is no line.
    start = max((at + 1 for at, line in enumerate(lines) if line == _HEADER), default=1)
    end = next((at + 1 for at in range(start, len(lines)) if not lines[at].startswith(" ")), len(lines))
    return list(lines[start:end])


def _type(block: Sequence[str]) -> str:
    found = _TYPE.match(block[-1])
    return found[0] if found else ""


def _file(path: str) -> str:
    path = path.replace("\\", "/")
    known, shortened = _INSTALLED.subn("", path, count=1)
    return _VARYING.sub("*", known if shortened else path.rpartition("/")[2])
