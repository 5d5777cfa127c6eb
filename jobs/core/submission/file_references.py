"""References to files in a job's input. Pure.

A client writes `{"$upload": ID}` for a file that it sent before, and `{"$part": NAME}` for one of the same
multipart call, anywhere in its input. Both are stored as `{"$file": {content_type, sha256, size}}`, by what
the file holds, so that equal files make equal inputs. A model is given the file itself: text for `text/*`,
the value for JSON, and for everything else its bytes in base64.
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

MOSTFILES = 16
_BEGINS = b'{"$'
FILE = "$file"
_HOW: Mapping[str, Literal["upload", "part"]] = {"$upload": "upload", "$part": "part"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that an input refers to, by an upload's id or a part's name."""

    how: Literal["upload", "part"]
    named: str


def may_refer(body: bytes) -> bool:
    """Say whether canonical JSON may hold a reference; a look at the bytes, for every job passes here."""
    return _BEGINS in body


def references(value: Any) -> set[Reference]:
    """Return what an input refers to; MalformedRequestError for too much of it, or what is ours to write."""
    found = set[Reference]()

    def see(item: dict[str, Any]) -> Any:
        if FILE in item:
            raise MalformedRequestError(f"an object of the input whose only key is `{FILE}` means nothing")
        if reference := reference_of(item):
            found.add(reference)
        return item

    _mapped(value, see)
    if len(found) > MOSTFILES:
        raise MalformedRequestError(f"the input refers to {len(found)} files; at most {MOSTFILES}")
    return found


def reference_of(item: Mapping[str, Any]) -> Reference | None:
    """Return the reference that an object with one key is; None for any other."""
    ((key, named),) = item.items()
    if key not in _HOW:
        return None
    if not isinstance(named, str):
        raise MalformedRequestError(f"`{key}` takes a string")
    return Reference(_HOW[key], named)


def stored_form(value: Any, files: Mapping[Reference, StoredPayload]) -> Any:
    """Return an input as it is stored: each reference tells what its file holds."""

    def told(item: dict[str, Any]) -> Any:
        reference = reference_of(item)
        return {FILE: _identity(files[reference])} if reference else item

    return _mapped(value, told)


def filled(value: Any, files: Mapping[StoredPayload, bytes]) -> Any:
    """Return a stored input with its files in the places that refer to them; InvalidInputError."""
    by_identity = {msgspec.json.encode(_identity(file)): (file, body) for file, body in files.items()}
    made = dict[bytes, Any]()

    def fill(item: dict[str, Any]) -> Any:
        if FILE not in item:
            return item
        key = msgspec.json.encode(item[FILE])
        if key not in by_identity:
            raise InvalidInputError("The input refers to a file that the job does not have.")
        if key not in made:
            made[key] = as_value(*by_identity[key])
        return made[key]

    return _mapped(value, fill)


def as_value(file: StoredPayload, body: bytes) -> Any:
    """Return a file as a model is given it."""
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
    """Return `value`, at most a hundred deep, with every object of one `$` key put through `change`."""
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and next(iter(value)).startswith("$"):
        return change(value)
    return {key: _mapped(item, change) for key, item in value.items()}
