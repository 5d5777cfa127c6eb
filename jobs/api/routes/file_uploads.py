"""The call that takes a file ahead of the jobs that refer to it."""

from __future__ import annotations

from typing import IO, cast

from django.conf import settings
from django.http import HttpResponse

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.request_docs import UPLOAD_DOC
from jobs.api.http.body import RequestBody
from jobs.api.http.multipart import media_type
from jobs.api.rate_limit_headers import within_limits
from jobs.api.responses import json_answer
from jobs.api.router import router
from jobs.api.schemas import UploadSchema
from jobs.core.access.scopes import Scope
from jobs.services.admission.quotas import charge_bytes
from jobs.services.submission.uploads import take_upload


@router.post(
    "/uploads",
    operation_id="uploadFile",
    response={201: UploadSchema},
    summary="Upload a file",
    **needs(Scope.SUBMIT, **UPLOAD_DOC),
)
@within_limits
def upload(request: ApiRequest) -> HttpResponse:
    """Keep a file for a day; jobs of its client refer to it as `{"$upload": ID}`, anywhere in their inputs.

    The body is the file itself, and its Content-Type says what a model is given: text for `text/*`, the value
    for `application/json`, else the bytes in base64. It may come in chunks. Of a quota of bytes it takes what
    its Content-Length says, or as much as a file may have. Sent twice, a file is kept twice, under two ids.
    """
    kind = media_type(request.META.get("CONTENT_TYPE", ""))
    most = settings.INFERENCE.max_upload_bytes
    body = RequestBody(request, limit_bytes=most)
    charge_bytes(request.auth, int(request.META.get("CONTENT_LENGTH") or most))
    taken = take_upload(owner=request.auth, source=cast(IO[bytes], body), content_type=kind)
    told = {"size": taken.file.size, "sha256": taken.file.sha256, "content_type": taken.file.content_type}
    return json_answer({"id": taken.id, **told, "expires_at": taken.expires_at}, 201)
