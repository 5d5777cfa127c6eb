"""How large the body of a call may be, by its address alone, and who may send one that is not small."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from jobs.api.http.asgi_call import Call
from jobs.core.access.scopes import Scope

SMALL_BYTES = 65_536  # of a body whose sender has not shown who it is
SUBMIT, BULK, UPLOADS = "/api/v1/jobs", "/api/v1/jobs/bulk", "/api/v1/uploads"
ERASURES, FEEDBACK = "/api/v1/erasures", "/api/v1/feedback"
# They count the jobs that match.
BULK_ACTS = {
    "/api/v1/bulk-acts/cancel": Scope.CANCEL,
    "/api/v1/bulk-acts/replay": Scope.REPLAY,
    "/api/v1/bulk-acts/discard": Scope.ADMIN,
}
MODELS, VERSIONS, PREVIEW = "/api/v1/models/", "/versions", "/rules/preview"
CASCADE = "/cascade"
DECISIONS = ("/rules", "/rollouts")  # they try the patterns of schemas, and count the jobs of a week
FLAGS, FLAG_PREVIEW = "/api/v1/flags/", "/preview"
ADMIN = "/admin/"


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """The most bytes of a body: for a token with `scope`, for a logged in member of the staff, or for anyone.

    `named`: the call may take long even where its body is small, so whose it is has to be known.
    """

    most: int = SMALL_BYTES
    scope: Scope | None = None
    staff: bool = False
    named: bool = False


def limit_of(call: Call) -> BodyLimit:
    """Return the limit of a call's body; every address that is not named here takes small bodies only."""
    path, method = call.request.scope["path"], call.request.method
    if path.startswith(ADMIN):
        return BodyLimit(settings.INFERENCE.max_body_bytes, staff=True)
    if (method, path) == ("POST", ERASURES):
        return BodyLimit(scope=Scope.ERASE, named=True)
    if method == "POST" and path in BULK_ACTS:
        return BodyLimit(scope=BULK_ACTS[path], named=True)
    if method in {"PUT", "POST"} and path.startswith(FLAGS):  # they try the patterns of a schema
        large = settings.INFERENCE.max_body_bytes if path.endswith(FLAG_PREVIEW) else SMALL_BYTES
        return BodyLimit(large, Scope.ROLL_OUT, named=True)
    if method == "POST" and path.startswith(MODELS) and (of_model := _of_a_model(path)) is not None:
        return of_model
    most = _most_of_a_post(path, call) if method == "POST" else None
    return BodyLimit() if most is None else BodyLimit(most, Scope.SUBMIT, named=path == BULK)


def _of_a_model(path: str) -> BodyLimit | None:
    """Return the limit of what is sent to a model, of all that is not small and short."""
    if path.endswith(VERSIONS):
        return BodyLimit(settings.INFERENCE.max_body_bytes, Scope.REGISTER, named=True)
    if path.endswith((PREVIEW, CASCADE)):
        return BodyLimit(settings.INFERENCE.max_body_bytes, Scope.ROLL_OUT, named=True)
    return BodyLimit(scope=Scope.ROLL_OUT, named=True) if path.endswith(DECISIONS) else None


def _most_of_a_post(path: str, call: Call) -> int | None:
    config = settings.INFERENCE
    if path == SUBMIT:
        is_form = call.request.headers.get("content-type", "").lower().startswith("multipart/form-data")
        return config.max_body_bytes + (config.max_upload_bytes if is_form else 0)
    if path == FEEDBACK:
        return config.max_body_bytes
    return {BULK: config.max_bulk_body_bytes, UPLOADS: config.max_upload_bytes}.get(path)
