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
# Parts of a file's name that differ from run to run: random names of tempfile, hashes, long numbers.
_VARYING = re.compile(r"(?<=tmp)[a-z0-9_]{8}(?![a-z0-9_])|(?<![a-z0-9])(?=[a-f]*\d)[0-9a-f]{8,}")


def fingerprint(kind: str, code: str, traceback: str) -> str:
    """Return `kind:type:file:function`, at most 255 characters.

    The last frame and the type are read from Python's `traceback`; without one, `code` replaces the type and
    `-` the frame. Line numbers, folders and the message do not count.
    """
    block = _last_block(traceback.splitlines())
    frames = [frame for line in block if (frame := _FRAME.fullmatch(line))]
    if not frames:
        return f"{kind}:{code}:{NOWHERE}"[:MOST_CHARS]
    where = f"{short_file(frames[-1]['path'])}:{frames[-1]['function'] or NOWHERE}"
    return f"{kind}:{_type(block) or code}:{where}"[:MOST_CHARS]


def _last_block(lines: Sequence[str]) -> list[str]:
    """Return the lines of the last exception, its own line last: a message below it may say anything."""
    # A long traceback was cut at its beginning: the rest of the first line does not count.
    start = max((number + 1 for number, line in enumerate(lines) if line == _HEADER), default=1)
    ends = (number + 1 for number in range(start, len(lines)) if not lines[number].startswith(" "))
    return list(lines[start : next(ends, len(lines))])


def _type(block: Sequence[str]) -> str:
    match = _TYPE.match(block[-1])
    return match[0] if match else ""


def short_file(path: str) -> str:
    """Return a file's name, from its package on where it is installed, without what varies between runs."""
    path = path.replace("\\", "/")
    module, is_installed = _INSTALLED.subn("", path, count=1)
    return _VARYING.sub("*", module if is_installed else path.rpartition("/")[2])
