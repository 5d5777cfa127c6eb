"""References to files in a job's input. Pure.

Anywhere in its input a client writes `{"$upload": ID}` for a file that it uploaded before, or
`{"$part": NAME}` for a file of the same multipart call. Both are stored as
`{"$file": {content_type, sha256, size}}`, so that equal files make equal inputs. The model gets the file
itself: text for `text/*`, the decoded value for JSON, and otherwise the bytes in base64; a runner that takes
files gets all but JSON as `FileInput`.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

from jobs.core.canonical_json import check_depth
from jobs.core.errors import InvalidInputError, MalformedRequestError
from jobs.core.payloads.pointer import StoredPayload
from jobs.core.submission.input_size import is_json, media_type_of

MOST_FILES = 16
MOST_REFERENCES = 1_000
_REFERENCE_START = b'{"$'
FILE = "$file"
Path: TypeAlias = "tuple[str | int, ...]"
_SOURCES: Mapping[str, Literal["upload", "part"]] = {"$upload": "upload", "$part": "part"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that an input refers to, by the id of an upload or the name of a part."""

    source: Literal["upload", "part"]
    name: str


def may_refer(body: bytes) -> bool:
    """Return whether canonical JSON may hold a reference; a search of bytes, as every job passes here."""
    return _REFERENCE_START in body


def references(value: Any) -> Counter[Reference]:
    """Return how often an input refers to each file; MalformedRequestError for too many, or for a `$file`."""
    collected = Counter[Reference]()

    def collect(item: dict[str, Any]) -> Any:
        if FILE in item:
            raise MalformedRequestError(f"an object of the input whose only key is `{FILE}` means nothing")
        if reference := reference_of(item):
            collected[reference] += 1
        return item

    _mapped(value, collect)
    if len(collected) > MOST_FILES:
        raise MalformedRequestError(f"the input refers to {len(collected)} files; at most {MOST_FILES}")
    if collected.total() > MOST_REFERENCES:
        raise MalformedRequestError(
            f"the input refers to files {collected.total()} times; at most {MOST_REFERENCES}"
        )
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


def referred_files(value: Any) -> list[StoredPayload]:
    """Return the files that a stored input refers to, each as often as it does; InvalidInputError."""
    collected = list[StoredPayload]()

    def collect(item: dict[str, Any]) -> Any:
        if FILE in item:
            collected.append(_file_of(item[FILE]))
        return item

    _mapped(value, collect)
    return collected


def outline(value: Any) -> tuple[Any, dict[Path, bool]]:
    """Return a stored input without its files, and their places.

    An empty string stands for each file that the model gets as a string, and null for one that may be any
    value. A place is the path to it; it is true where a string stands.
    """
    places = dict[Path, bool]()

    def outlined(part: Any, path: Path) -> Any:
        if isinstance(part, list):
            return [outlined(item, (*path, at)) for at, item in enumerate(part)]
        if not isinstance(part, dict):
            return part
        if part.keys() == {FILE}:
            places[path] = not is_json(_file_of(part[FILE]))
            return "" if places[path] else None
        return {key: outlined(item, (*path, key)) for key, item in part.items()}

    return outlined(value, ()), places


def filled(value: Any, files: Mapping[StoredPayload, Any]) -> Any:
    """Return a stored input with each reference replaced by its file's value; InvalidInputError."""
    values = {msgspec.json.encode(_identity(file)): held for file, held in files.items()}

    def fill(item: dict[str, Any]) -> Any:
        if FILE not in item:
            return item
        key = msgspec.json.encode(item[FILE])
        if key not in values:
            raise InvalidInputError("The input refers to a file that the job does not have.")
        return values[key]

    return _mapped(value, fill)


def as_value(file: StoredPayload, body: bytes) -> Any:
    """Return a file as the value that the model gets; InvalidInputError."""
    kind = media_type_of(file)
    try:
        if kind.startswith("text/"):
            return body.decode()
        if is_json(file):
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


def _file_of(identity: Any) -> StoredPayload:
    try:
        return msgspec.convert({"name": "", **identity}, StoredPayload)
    except (msgspec.ValidationError, TypeError):
        raise InvalidInputError("The input refers to a file that nothing is known of.") from None


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
