"""The fields of a submitted job, parsed strictly from JSON. Pure."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from jobs.core.canonical_json import check_depth
from jobs.core.errors import BodyTooLargeError, KeysDifferError, MalformedRequestError, PlatformError
from jobs.core.priority import DEFAULT, HIGHEST, LOWEST

MAX_BULK_JOBS = 10_000
MAX_METADATA_BYTES = 16_384
MAX_KEY_CHARS = 200
MAX_DEADLINE_S = 366 * 86_400
MAX_ATTEMPTS = 100
MODEL = "A name, `name:version` or `name@alias`; the name alone means its alias `default`."
INPUT = (
    "The input of the model, by the version's `input_schema`; anywhere in it an object whose only key is"
    " `$upload` or `$part` stands for a file."
)
PARAMETERS = "Parameters of the model, if it takes any."
PRIORITY = f"{HIGHEST} goes first, {LOWEST} last."
DEADLINE = "Seconds from now after which the job expires unless it has ended."
ATTEMPTS = "The most attempts, the first included; the default is the version's own number."
METADATA = f"Your own data, stored and shown with the job: up to {MAX_METADATA_BYTES} bytes of JSON."
KEY = "The same as the header `Idempotency-Key`, for one item of a bulk call."
CACHE = (
    "For versions with a cache or that collapse jobs: `use` takes a fresh result of an identical job of yours"
    " or waits for one in flight; `refresh` runs and replaces the cached result; `bypass` runs and is not"
    " cached. Jobs are identical if version, input and parameters are the same."
)
CALLBACK = (
    "The address that gets the job once it has ended, as a webhook by the Standard Webhooks specification:"
    " an https URL of a public host, or of a host that the platform's operators allow."
)
ENCODING = (
    "The form in which you want an output of bytes, such as an array. `json`: numbers in lists. `base64`: an"
    " object with the bytes in base64. `npy` and `raw`: a call for one job that does not ask for JSON by"
    " `Accept` returns a `.npy` file or the bytes themselves; events and webhooks hold them in base64. An"
    " output that the model returns as JSON is always JSON."
)
ITEM_MARK = "\x1f"  # not allowed in a client's key, so that no item's key collides with one


class JobRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One requested job, as a client writes it."""

    model: Annotated[str, Meta(min_length=1, max_length=200, description=MODEL)]
    input: Annotated[Any, Meta(description=INPUT)]
    parameters: Annotated[dict[str, Any], Meta(description=PARAMETERS)] | None = None
    priority: Annotated[int, Meta(ge=LOWEST, le=HIGHEST, description=PRIORITY)] = DEFAULT
    deadline_s: Annotated[float, Meta(gt=0, le=MAX_DEADLINE_S, description=DEADLINE)] | None = None
    max_attempts: Annotated[int, Meta(ge=1, le=MAX_ATTEMPTS, description=ATTEMPTS)] | None = None
    callback_url: Annotated[str, Meta(description=CALLBACK)] | None = None
    cache: Annotated[Literal["use", "refresh", "bypass"], Meta(description=CACHE)] = "use"
    metadata: Annotated[dict[str, Any], Meta(description=METADATA)] | None = None
    idempotency_key: Annotated[str, Meta(description=KEY)] | None = None
    encoding: Annotated[Literal["json", "base64", "npy", "raw"], Meta(description=ENCODING)] = "json"


_REQUEST = msgspec.json.Decoder(JobRequest)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


def without_bom(raw: bytes) -> bytes:
    """Return a body without the byte order mark that some editors and libraries put before UTF-8.

    MalformedRequestError for the mark of another encoding.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise MalformedRequestError("the body is UTF-16 or UTF-32, and has to be UTF-8")
    return raw.removeprefix(codecs.BOM_UTF8)


def parse_request(raw: bytes) -> JobRequest:
    """Parse one job's JSON; MalformedRequestError says what is wrong and where."""
    raw = without_bom(raw)
    try:
        request = _decoded(raw)
    except UnicodeDecodeError as error:
        raise MalformedRequestError(f"the body is not UTF-8 (byte {error.start})") from None
    except msgspec.ValidationError as error:
        raise MalformedRequestError(str(error)) from None
    except msgspec.DecodeError as error:
        raise MalformedRequestError(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise MalformedRequestError("the JSON nests too deep") from None
    check_depth(raw, [request.input, request.parameters, request.metadata])
    return request


def _decoded(raw: bytes) -> JobRequest:
    try:
        return _REQUEST.decode(raw)
    except msgspec.ValidationError:
        fields = msgspec.json.decode(raw)
        if not isinstance(fields, dict):
            raise
        # JSON has one kind of number: 7.0 is an integer, as in JSON Schema.
        return msgspec.convert(
            {**fields, **_integer(fields, "priority"), **_integer(fields, "max_attempts")}, JobRequest
        )


def _integer(fields: Mapping[str, Any], name: str) -> dict[str, int]:
    value = fields.get(name)
    return {name: int(value)} if isinstance(value, float) and value.is_integer() else {}


def parse_bulk(raw: bytes, *, ndjson: bool, most_bytes: int) -> list[JobRequest | PlatformError]:
    """Parse many jobs, with an error for each one that is malformed; raise errors of the whole call.

    A job has at most `most_bytes`, as in a call of its own.
    """
    raw = without_bom(raw)
    items = [line for line in raw.split(b"\n") if line.strip()] if ndjson else _array_items(raw)
    if not items:
        raise MalformedRequestError("the list of jobs is empty")
    if len(items) > MAX_BULK_JOBS:
        raise BodyTooLargeError(f"{len(items)} jobs in one call; at most {MAX_BULK_JOBS}")
    return [parse_item(item, most_bytes) for item in items]


def keyed(
    requests: Sequence[JobRequest | PlatformError], call_key: str | None
) -> list[JobRequest | PlatformError]:
    """Give each item without a key of its own the call's key with the item's index."""
    if call_key is None:
        return list(requests)
    return [
        msgspec.structs.replace(request, idempotency_key=f"{call_key}{ITEM_MARK}{index}")
        if isinstance(request, JobRequest) and request.idempotency_key is None
        else request
        for index, request in enumerate(requests)
    ]


def check_key(key: str | None) -> str | None:
    """Return a client's idempotency key; MalformedRequestError unless 1-200 printable ASCII characters."""
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARS and key.isascii() and key.isprintable()):
        raise MalformedRequestError(f"an idempotency key is 1 to {MAX_KEY_CHARS} printable ASCII characters")
    return key


def with_call_key(job: JobRequest, header: str | None) -> JobRequest:
    """Return the job under the `Idempotency-Key` of its call; KeysDifferError where it names another one."""
    key = check_key(header)
    if key is None:
        check_key(job.idempotency_key)
        return job
    if job.idempotency_key not in {None, key}:
        raise KeysDifferError
    return msgspec.structs.replace(job, idempotency_key=key)


def _array_items(raw: bytes) -> list[msgspec.Raw]:
    try:
        return _ITEMS.decode(raw)
    except msgspec.ValidationError as error:
        raise MalformedRequestError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedRequestError(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise MalformedRequestError("the JSON nests too deep") from None


def parse_item(raw: bytes | msgspec.Raw, most_bytes: int) -> JobRequest | PlatformError:
    """Parse one of many jobs, of at most `most_bytes`; return what is wrong with it where something is."""
    if len(memoryview(raw)) > most_bytes:
        return BodyTooLargeError(f"the job is larger than {most_bytes} bytes")
    try:
        request = parse_request(bytes(raw))
        check_key(request.idempotency_key)
    except PlatformError as error:
        return error
    return request
