"""A request to register a version of a model, read strictly. Pure."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from jobs.core.errors import MalformedRequestError
from jobs.core.nul_character import refuse_nul
from models_registry.core.registry_errors import RegistrationError

REMOTE = ("s3://", "hf:", "mlflow:")
# By its name a person, and a loader that looks at it, knows what a file is; an upload has no name.
FILE_NAMES = {
    "onnx": "model.onnx", "sklearn": "model.skops", "xgboost": "model.ubj", "lightgbm": "model.txt",
    "torchscript": "model.pt", "export": "model.pt2", "aotinductor": "model.pt2",
}  # fmt: skip
CONTENTS = (
    "input_schema", "output_schema", "example", "options", "origin", "max_batch", "max_padded_size", "padded",
    "p95_goal_s", "max_attempts",
)  # fmt: skip
_PATH = re.compile(r"(?<![\w:/.])(?:/[^\s/:'\"]+)+/([^\s/:'\"]+)")
Object = dict[str, Any]


class RegistrationRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of a model, with its artifact: one of `upload`, `source` and `entry_point`."""

    version: Annotated[str, Meta(min_length=1, max_length=63, description="The version, such as `1`.")]
    loader: Annotated[str, Meta(description="What reads the artifact, such as `onnx` or `sklearn`.")]
    upload: Annotated[UUID, Meta(description="The id of an upload of yours: the file.")] | None = None
    source: (
        Annotated[
            str,
            Meta(
                max_length=900,
                description="`s3://`, `hf:` or `mlflow:`, below a prefix that the operator allows.",
            ),
        ]
        | None
    ) = None
    entry_point: (
        Annotated[
            str, Meta(max_length=500, description="`module:name`, one of those that the operator allows.")
        ]
        | None
    ) = None
    sha256: (
        Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="Compared with that of the artifact.")]
        | None
    ) = None
    signature: (
        Annotated[bytes, Meta(description="An OpenSSF model signature of the artifact, in base64.")] | None
    ) = None
    input_schema: (
        Annotated[
            Object, Meta(description="The JSON Schema of an input; by default that of the artifact, if any.")
        ]
        | None
    ) = None
    output_schema: Annotated[Object, Meta(description="The same of an output.")] | None = None
    example: Annotated[Any, Meta(description="An input that runs after each load.")] = None
    options: Annotated[Object, Meta(description="Options of the platform and of the loader.")] | None = None
    origin: (
        Annotated[Object, Meta(description="Who trained it, on which data and code: up to 16 kB.")] | None
    ) = None
    max_batch: Annotated[int, Meta(ge=1, description="The most items in a batch.")] | None = None
    max_padded_size: (
        Annotated[int, Meta(ge=0, description="The most items times the longest item's size in a batch.")]
        | None
    ) = None
    padded: Annotated[bool, Meta(description="Items of a batch are padded to the longest.")] | None = None
    p95_goal_s: (
        Annotated[float, Meta(gt=0, description="Seconds from submit to result, for 95 of 100 jobs.")] | None
    ) = None
    max_attempts: (
        Annotated[int, Meta(ge=1, description="Attempts of a job that does not set its own.")] | None
    ) = None

    @property
    def contents(self) -> Object:
        """Return the columns that are given."""
        return {name: value for name in CONTENTS if (value := getattr(self, name)) is not None}


_decode = msgspec.json.Decoder(RegistrationRequest).decode


def parse_registration(raw: bytes) -> RegistrationRequest:
    """Parse the body of a request; MalformedRequestError says what is wrong and where."""
    refuse_nul(raw)
    try:
        asked = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequestError(str(error)) from None
    if sum(map(bool, (asked.upload, asked.source, asked.entry_point))) != 1:
        raise MalformedRequestError("give one of `upload`, `source` and `entry_point`")
    return asked


def check_source(source: str, allowed: tuple[str, ...]) -> None:
    """Refuse a source that is not below one of the prefixes `allowed`: RegistrationError.

    A prefix ends at a `/`, so that `hf:my-org` is not one of `hf:my-org-of-others/model`. No source leads to
    files of the server, whatever is allowed.
    """
    whole = source.partition("#")[0]
    is_plain = whole.isprintable() and ".." not in re.split(r"[/@]", whole)
    if is_plain and whole.startswith(REMOTE) and any(_is_below(whole, prefix) for prefix in allowed):
        return
    raise RegistrationError(
        "The source is not below a prefix that MODEL_SOURCES of the server names: upload the file instead, or"
        " ask an operator."
    )


def refuse_folder(loader: str) -> None:
    """Raise RegistrationError for a folder of code, from wherever it is to come."""
    if loader == "folder":
        raise RegistrationError(
            "A folder of Python code is not registered over the API: an operator registers it with"
            " `manage.py register_model ./folder`."
        )


def file_name(loader: str) -> str:
    """Return the name of an uploaded artifact; RegistrationError where the loader reads no single file."""
    if loader not in FILE_NAMES:
        raise RegistrationError(
            f"The loader {loader[:40]!r} reads no single file. An upload can be of: {', '.join(FILE_NAMES)}."
        )
    return FILE_NAMES[loader]


def first_line(words: str) -> str:
    """Return the first line of an error's words, with the names of files but no folders of the server."""
    return _PATH.sub(r"\1", words.partition("\n")[0])[:1_000]


def _is_below(source: str, prefix: str) -> bool:
    folder = prefix if prefix.endswith(("/", ":")) else f"{prefix}/"
    return bool(prefix) and (source == prefix or source.startswith(folder))
