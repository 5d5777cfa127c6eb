"""The call that uploads a file before the jobs that refer to it."""

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
def upload_file(request: ApiRequest) -> HttpResponse:
    """Store a file for a day; jobs of its client refer to it as `{"$upload": ID}`, anywhere in their inputs.

    The body is the file itself. Its Content-Type decides what the model gets: text for `text/*`, the value
    for `application/json`, else the bytes in base64. The body may be chunked. A quota of bytes is charged
    with the Content-Length, or without one with the largest size of a file. A file that is sent twice is
    stored twice, under two ids.
    """
    kind = media_type(request.META.get("CONTENT_TYPE", ""))
    most = settings.INFERENCE.max_upload_bytes
    body = RequestBody(request, limit_bytes=most)
    charge_bytes(request.auth, int(request.META.get("CONTENT_LENGTH") or most))
    upload = take_upload(owner=request.auth, source=cast(IO[bytes], body), content_type=kind)
    stored = upload.file
    file = {"size": stored.size, "sha256": stored.sha256, "content_type": stored.content_type}
    return json_answer({"id": upload.id, **file, "expires_at": upload.expires_at}, 201)
