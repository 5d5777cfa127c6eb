"""`.env`, read as Docker Compose reads it, and never run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
PLACEHOLDER = "change-me"


class RenderError(Exception):
    """What cannot be rendered; the message says what to do and quotes no secret."""


class EnvFileError(RenderError):
    """A line or a value of `.env` that cannot be used."""


def read_env(text: str) -> dict[str, str]:
    """Return the variables of an `.env` file; EnvFileError, which names the line and quotes no value."""
    values = dict[str, str]()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = LINE.fullmatch(stripped)
        if match is None:
            raise EnvFileError(f"line {number} is not NAME=value")
        values[match[1]] = _value(match[1], match[2], number)
    return values


def _value(name: str, text: str, number: int) -> str:
    quoted = re.fullmatch(r"(['\"])(.*)\1\s*(?:#.*)?", text)
    plain = quoted[2] if quoted else re.split(r"\s#", text)[0].strip()
    if quoted and quoted[1] in plain:
        raise EnvFileError(f"line {number}: {name} has a quote of its own kind inside; use the other kind")
    if quoted and quoted[1] == "'":
        return plain
    if not quoted and text.startswith("#"):
        raise EnvFileError(f"line {number}: {name} is empty, or begins with #: quote it, or drop the comment")
    if "$" in plain or "\\" in plain or (not quoted and plain[:1] in {"'", '"'}):
        raise EnvFileError(
            f"line {number}: put {name} in single quotes, because of its $, backslash or quote"
        )
    return plain


def check(values: Mapping[str, str], needed: tuple[str, ...], known: frozenset[str]) -> None:
    """Raise EnvFileError where a value is missing or was not changed, or a name is misspelt."""
    if missing := [name for name in needed if not values.get(name)]:
        raise EnvFileError(f".env has no {', '.join(missing)}")
    if same := [name for name, value in values.items() if PLACEHOLDER in value]:
        raise EnvFileError(f"change these, which still have the example's value: {', '.join(same)}")
    for name in values.keys() - known:
        near = get_close_matches(name, known, 1, cutoff=0.8)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise EnvFileError(f"nothing reads {name}{meant}")


def whole(values: Mapping[str, str], name: str) -> int:
    """Return a number of 1 or more; EnvFileError, which names the variable."""
    if not re.fullmatch(r"[0-9]{1,15}", values[name]) or not int(values[name]):
        raise EnvFileError(f"{name} must be a whole number of 1 or more")
    return int(values[name])
