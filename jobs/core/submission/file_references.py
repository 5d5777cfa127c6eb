"""References to files in a job's input. Pure.

Anywhere in its input a client writes `{"$upload": ID}` for a file that it uploaded before, or
`{"$part": NAME}` for a file of the same multipart call. Both are stored as
`{"$file": {content_type, sha256, size}}`, so that equal files make equal inputs. The model gets the file
itself: text for `text/*`, the decoded value for JSON, and otherwise the bytes in base64.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from jobs.core.canonical_json import check_depth
from jobs.core.errors import InvalidInputError, MalformedRequestError
from jobs.core.payloads.pointer import StoredPayload

MOST_FILES = 16
_REFERENCE_START = b'{"$'
FILE = "$file"
_SOURCES: Mapping[str, Literal["upload", "part"]] = {"$upload": "upload", "$part": "part"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that an input refers to, by the id of an upload or the name of a part."""

    source: Literal["upload", "part"]
    name: str


def may_refer(body: bytes) -> bool:
    """Return whether canonical JSON may hold a reference; a search of bytes, as every job passes here."""
    return _REFERENCE_START in body


def references(value: Any) -> set[Reference]:
    """Return the references of an input; MalformedRequestError for too many, or for a `$file`."""
    collected = set[Reference]()

    def collect(item: dict[str, Any]) -> Any:
        if FILE in item:
            raise MalformedRequestError(f"an object of the input whose only key is `{FILE}` means nothing")
        if reference := reference_of(item):
            collected.add(reference)
        return item

    _mapped(value, collect)
    if len(collected) > MOST_FILES:
        raise MalformedRequestError(f"the input refers to {len(collected)} files; at most {MOST_FILES}")
    return collected


def reference_of(item: Mapping[str, Any]) -> Reference | None:
    """Return the reference that an object with one key is, or None."""
    ((key, name),) = item.items()
    if key not in _SOURCES:
        return None
    if not isinstance(name, str):
        raise MalformedRequestError(f"`{key}` takes a string")
    return Reference(_SOURCES[key], name)


def stored_form(value: Any, files: Mapping[Reference, StoredPayload]) -> Any:
    """Return an input as it is stored: each reference becomes the identity of its file."""

    def identify(item: dict[str, Any]) -> Any:
        reference = reference_of(item)
        return {FILE: _identity(files[reference])} if reference else item

    return _mapped(value, identify)


def filled(value: Any, files: Mapping[StoredPayload, bytes]) -> Any:
    """Return a stored input with each reference replaced by its file; InvalidInputError."""
    by_identity = {msgspec.json.encode(_identity(file)): (file, body) for file, body in files.items()}
    values = dict[bytes, Any]()

    def fill(item: dict[str, Any]) -> Any:
        if FILE not in item:
            return item
        key = msgspec.json.encode(item[FILE])
        if key not in by_identity:
            raise InvalidInputError("The input refers to a file that the job does not have.")
        if key not in values:
            values[key] = as_value(*by_identity[key])
        return values[key]

    return _mapped(value, fill)


def as_value(file: StoredPayload, body: bytes) -> Any:
    """Return a file as the value that the model gets."""
    kind = file.content_type.partition(";")[0].strip().lower()
    try:
        if kind.startswith("text/"):
            return body.decode()
        if kind == "application/json":
            return _json(body)
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"A file of {kind} is not UTF-8 (byte {error.start}).") from None
    except (msgspec.DecodeError, MalformedRequestError, RecursionError) as error:
        raise InvalidInputError(f"A file of {kind} is not JSON that a model takes: {error}") from None
    return b64encode(body).decode()


def _json(body: bytes) -> Any:
    value = msgspec.json.decode(body)
    check_depth(body, value)
    return value


def _identity(file: StoredPayload) -> dict[str, Any]:
    return {"content_type": file.content_type, "sha256": file.sha256, "size": file.size}


def _mapped(value: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    """Return `value`, at most a hundred levels deep, with `change` applied to each object of one `$` key."""
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and next(iter(value)).startswith("$"):
        return change(value)
    return {key: _mapped(item, change) for key, item in value.items()}
