"""Read `multipart/form-data`: the part `job`, and files, which are never completely in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, TypeAlias, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import MultiValueDict

from jobs.api.http.body import RequestBody
from jobs.api.http.unnamed_parts import UnnamedPartHandler
from jobs.core.errors import BodyTooLargeError, MalformedRequestError
from jobs.services.submission.attachments import Part

JOB, FORM = "job", "multipart/form-data"
Parsed: TypeAlias = "tuple[QueryDict, MultiValueDict[str, UploadedFile[Any]]]"
OCTETS = "application/octet-stream"
MOST_TYPE_CHARS = 127
_BYTES = (
    "latin-1"  # each byte becomes a character, so that invalid UTF-8 is refused later and not altered here
)


@dataclass(frozen=True, slots=True)
class Form:
    """The JSON of a job, and the files beside it by the names of their parts."""

    job: bytes
    files: dict[str, UploadedFile[Any]] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, Part]:
        """Return the files as the parts of a submit; MalformedRequestError."""
        return {name: _part(file) for name, file in self.files.items()}


def _part(file: UploadedFile[Any]) -> Part:
    return Part(cast(IO[bytes], file), media_type(file.content_type or ""))


def is_multipart(request: HttpRequest) -> bool:
    """Return whether a request's body is a form with files."""
    kind: str = request.META.get("CONTENT_TYPE", "")
    return kind.partition(";")[0].strip().lower() == FORM


@contextmanager
def read_form(request: HttpRequest) -> Iterator[Form]:
    """Yield the form and close its files afterwards; MalformedRequestError, or an error of `RequestBody`."""
    most = settings.INFERENCE.max_upload_bytes + settings.INFERENCE.max_body_bytes
    body = RequestBody(request, limit_bytes=most)
    try:
        fields, files = _parsed(request, body, most)
    except MalformedRequestError:
        body.drain()
        raise
    opened = [file for _, many in files.lists() for file in many]
    try:
        yield _form(fields, files)
    finally:
        for file in opened:
            file.close()


def media_type(content_type: str) -> str:
    """Return the media type of a file; MalformedRequestError where it is none."""
    kind = content_type.strip() or OCTETS
    if not (kind.isascii() and kind.isprintable() and "/" in kind and len(kind) <= MOST_TYPE_CHARS):
        raise MalformedRequestError("the Content-Type of a file is not a media type")
    return kind


def _parsed(request: HttpRequest, body: RequestBody, most: int) -> Parsed:
    try:
        kind = request.META["CONTENT_TYPE"]
        # The length only tells Django's parser that there is a body; where it ends, `body` knows.
        length = request.META.get("CONTENT_LENGTH") or str(most)
        headers = {"CONTENT_TYPE": kind, "CONTENT_LENGTH": length}
        return MultiPartParser(headers, body, [UnnamedPartHandler()], _BYTES).parse()  # type: ignore[arg-type]  # it reads like a request
    except MultiPartParserError as error:
        raise MalformedRequestError(f"the form cannot be read: {error}") from None
    except RequestDataTooBig:
        raise BodyTooLargeError("the form's fields are larger than a job may be") from None
    except SuspiciousOperation as error:
        raise MalformedRequestError(f"the form has too many parts: {error}") from None


def _form(fields: QueryDict, files: MultiValueDict[str, UploadedFile[Any]]) -> Form:
    jobs = [text.encode(_BYTES) for text in fields.getlist(JOB)]
    jobs += [_short(file) for file in files.getlist(JOB)]
    if len(jobs) != 1:
        raise MalformedRequestError(f"the form has {len(jobs)} parts `{JOB}`; it needs one")
    return Form(jobs[0], {_name(name, many): many[0] for name, many in files.lists() if name != JOB})


def _short(file: UploadedFile[Any]) -> bytes:
    limit = settings.INFERENCE.max_body_bytes
    if (file.size or 0) > limit:
        raise BodyTooLargeError(f"the part `{JOB}` is larger than {limit} bytes")
    return bytes(file.read())


def _name(name: str, many: list[UploadedFile[Any]]) -> str:
    if len(many) > 1:
        raise MalformedRequestError("two files of the form have one name")
    try:
        return name.encode(_BYTES).decode()
    except UnicodeDecodeError:
        raise MalformedRequestError("the name of a part is not UTF-8") from None
