"""The live page's data for Django: who may watch, one reading, and the history; all as the admin lets in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import msgspec
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET

from jobs.api.operations.latest_reading import latest
from jobs.api.operations.reading_of_rows import aged
from jobs.api.operations.session_watch import PERMISSION
from jobs.core.operations.operations_history import HistorySpan
from jobs.services.operations.history_reads import read_history

AGAIN_S = "5"
View = Callable[[HttpRequest], HttpResponse]


def watching(view: View) -> View:
    """Let in what the admin lets in, where the user also has PERMISSION."""

    @wraps(view)
    def allowed(request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        return view(request)

    inner: View = admin.site.admin_view(require_GET(allowed))
    return inner


@watching
def permit(_request: HttpRequest) -> HttpResponse:
    """Answer 204: the event loop sends the readings."""
    return HttpResponse(status=204)


@watching
def reading(_request: HttpRequest) -> HttpResponse:
    """Answer with the newest reading; 503 where the database has not answered since the process began."""
    made = latest.get()
    if made is None:
        answer = JsonResponse({"detail": "The database does not answer."}, status=503)
        answer["Retry-After"] = AGAIN_S
        return answer
    return _json(aged(made.reading, latest.age_of(made), 0))


@watching
def history(request: HttpRequest) -> HttpResponse:
    """Answer with the columns of the last hour or day, of one model or of all together."""
    try:
        span = HistorySpan(request.GET.get("span", HistorySpan.HOUR))
    except ValueError:
        return JsonResponse({"detail": "`span` is hour or day."}, status=400)
    return _json(read_history(span, request.GET.get("model", "").replace("\0", "")))


def _json(value: msgspec.Struct) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(value), content_type="application/json")


urlpatterns = [
    path("readings", permit, name="operations_readings"),
    path("reading", reading, name="operations_reading"),
    path("history", history, name="operations_history"),
]
