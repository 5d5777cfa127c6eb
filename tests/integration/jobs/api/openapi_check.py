"""The check of an answer against the API's description: status, headers and problem."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from django.urls import Resolver404, resolve

from jobs.api.endpoints import api
from tests.integration.jobs.api.calls import PREFIX

# Headers of any answer of a web server.
ANY_ANSWER_S = {
    "cache-control", "connection", "content-length", "content-type", "date", "server", "transfer-encoding",
    "x-accel-buffering", "x-content-type-options", "content-security-policy",
}  # fmt: skip
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def check(method: str, path: str, status: int, sent: Iterable[str], body: Callable[[], bytes]) -> None:
    """Fail for an answer of a described call that its description lacks."""
    operation = _paths().get(_described(path), {}).get(method.lower())
    if operation is None:
        return
    assert str(status) in operation["responses"], f"{method} {path} answered {status}"
    described = {name.lower() for name in operation["responses"][str(status)].get("headers", ())}
    assert {name.lower() for name in sent} - ANY_ANSWER_S <= described, f"{method} {path}: {list(sent)}"
    if status >= 400:  # a success may be a stream
        code = json.loads(body())["code"]
        shown = operation["responses"][str(status)]["content"]["application/problem+json"]["examples"]
        assert code in shown, f"{method} {path} answered {status} {code}"


@cache
def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = api.get_openapi_schema(path_prefix=PREFIX)["paths"]
    return json.loads(json.dumps(paths))  # type: ignore[no-any-return]  # JSON is anything


def _described(path: str) -> str:
    try:
        return "/" + _PARAMETER.sub(r"{\1}", resolve(path, "jobs.api.endpoints").route)
    except Resolver404:
        return ""
