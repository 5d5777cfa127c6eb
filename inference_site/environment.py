"""Reading settings: typed fields out of environment variables, and a sentence for each value that is wrong.

A setting is a field with a description; its variable is the field's name in capitals. An unset or empty
variable leaves the default.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, inspect

from jobs.db.address import database_url
from models_registry.core.struct_fields import (
    allowed,
    description_of,
    extra_of,
    field_rows,
    nearest,
    short_repr,
)

Environ = Mapping[str, str]
KEY_BYTES = 32
PLACEHOLDER = "change-me"
_KEY_NAME = re.compile(r"[A-Za-z0-9._-]{1,8}")
_ENTRY = (
    "a name, 1 to 8 letters, digits, dots or dashes and used once, a colon, and a key of 32 bytes in base64"
)
_NODE = (
    "amqp:// or amqps://, user:password@host:port and a virtual host, each percent-encoded, and no query; "
    "TLS has settings of its own, BROKER_CA_FILE and others"
)
# A letter too many or too few, or in long names a wrong one. Less similar names may belong to other programs.
_LIKENESS = 0.9


class SettingRow(NamedTuple):
    """One setting for a table in a document."""

    name: str
    default: str
    description: str


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text that are separated by commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def key(text: str) -> bytes:
    """Return a key of 32 bytes from base64; ValueError, which never quotes the key."""
    if (value := _decoded(text)) is None:
        raise ValueError("must be 32 bytes in base64")
    return value


def named_keys(text: str) -> tuple[tuple[str, bytes], ...]:
    """Return names and keys from `name:key,name2:key2`; ValueError, which never quotes a key."""
    keys: dict[str, bytes] = {}
    for number, part in enumerate(filter(None, text.split(",")), 1):
        name, _, encoded = part.strip().partition(":")
        value = _decoded(encoded)
        if value is None or name in keys or not _KEY_NAME.fullmatch(name):
            raise ValueError(f"entry {number} must be {_ENTRY}")
        keys[name] = value
    return tuple(keys.items())


def _decoded(text: str) -> bytes | None:
    try:
        value = b64decode(text, validate=True)
    except (NotBase64, ValueError):
        return None
    return value if len(value) == KEY_BYTES else None


def without_slash(text: str) -> str:
    """Return a URL without the slash at its end."""
    return text.rstrip("/")


def broker_url(text: str) -> str:
    """Return the URL of a broker, or of a cluster's nodes; ValueError, which never quotes a password."""
    for number, node in enumerate(text.split(";"), 1):
        if not _is_broker(node.strip()):
            raise ValueError(f"node {number} must be {_NODE}")
    return ";".join(node.strip() for node in text.split(";"))


def _is_broker(node: str) -> bool:
    try:
        parts = urlsplit(node)
        port = parts.port
    except ValueError:
        return False
    known = parts.scheme in {"amqp", "amqps"} and bool(parts.hostname) and port != 0
    return known and not (parts.query or parts.fragment)


# Types of settings; `parse` makes a text into what msgspec then checks against the type.
Whole = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Threads = Annotated[int, Meta(ge=1, le=1_000)]
Days = Annotated[int, Meta(ge=1, le=36_500)]
Words = Annotated[tuple[str, ...], Meta(extra={"parse": words})]
Key = Annotated[bytes, Meta(extra={"parse": key})]
NamedKeys = Annotated[tuple[tuple[str, bytes], ...], Meta(extra={"parse": named_keys})]
PostgresUrl = Annotated[str, Meta(extra={"parse": database_url, "secret": True})]
BrokerUrl = Annotated[str, Meta(extra={"parse": broker_url, "secret": True})]
SiteUrl = Annotated[str, Meta(extra={"parse": without_slash})]
# A page that ours link to: no other scheme may come into a link, and no login.
PageUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s?#@]+$",
        extra={
            "parse": without_slash,
            "allowed": "http:// or https://, with no user and no query",
            "secret": True,
        },
    ),
]
ServerUrl = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/?#@]+$",
        # It may hold a password by mistake, so a message must not quote it.
        extra={
            "parse": without_slash,
            "allowed": "http:// or https:// and a host, with no user and no path",
            "secret": True,
        },
    ),
]


def read(kind: type, environ: Environ) -> tuple[dict[str, Any], list[str]]:
    """Return the values of a dataclass's settings, and a sentence for each variable that cannot be used."""
    types = _types(kind)
    values, mistakes = dict[str, Any](), list(_misspelt(environ, types))
    for name, setting in types.items():
        text = environ.get(name, "").strip()
        if PLACEHOLDER in text:
            mistakes.append(f"{name} still has the example's value, {PLACEHOLDER}.")
            continue
        try:
            values |= {name.lower(): _value(text, setting)} if text else {}
        except msgspec.ValidationError:
            mistakes.append(_sentence(name, text, setting))
        except ValueError as error:
            mistakes.append(f"{name}: {error}.")
    return values, mistakes


def rows(kind: type) -> list[SettingRow]:
    """Return a row for each setting of a dataclass, in declared order."""
    return [
        SettingRow(row.name.upper(), row.default, f"{row.description} Allowed: {row.type}.")
        for row in field_rows(kind)
    ]


def _types(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {name.upper(): hint for name, hint in hints.items() if description_of(inspect.type_info(hint))}


def _value(text: str, setting: Any) -> Any:
    info = inspect.type_info(setting)
    parse = extra_of(info).get("parse", _lowered if _is_choice(info) else str)
    return msgspec.convert(parse(text), setting, strict=False)


def _is_choice(info: inspect.Type) -> bool:
    return isinstance(getattr(info, "type", info), inspect.LiteralType)


def _lowered(text: str) -> str:
    return text.lower()


def _sentence(name: str, text: str, setting: Any) -> str:
    value = "" if extra_of(inspect.type_info(setting)).get("secret") else f"is {short_repr(text)}; it "
    return f"{name} {value}must be {allowed(setting)}."


def _misspelt(environ: Environ, names: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each unknown variable whose name is nearly that of a setting that is not set."""
    unset = [name for name in names if name not in environ]
    for name in environ:
        if name not in names and (match := nearest(name, unset, likeness=_LIKENESS)):
            yield f"There is no setting {name}; did you mean {match}?"
