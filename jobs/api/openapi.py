"""The API's description of itself, finished: every problem that a call may answer with, and examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from jobs.api.problems import CONTENT_TYPE, STATUS
from jobs.core.errors import PlatformError

JSON = frozenset({"application/json", "application/x-ndjson"})
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
# Any call may meet these: a broken request or token, another method, too many calls, a database that is away.
ANYWHERE = (400, 401, 403, 405, 429, 500, 503)
EXAMPLES: Mapping[str, Any] = {
    "a sentence": {
        "value": {"model": "minilm", "input": {"text": "Good morning."}, "priority": 7, "deadline_s": 60}
    },
    "a version and a note of one's own": {
        "value": {"model": "minilm:1", "input": {"text": "Good night."}, "metadata": {"order": 4711}}
    },
}
MANY: Mapping[str, Any] = {"two jobs": {"value": [each["value"] for each in EXAMPLES.values()]}}


class DescribedApi(NinjaAPI):
    """An API whose description tells of its problems."""

    def get_openapi_schema(self, **how: Any) -> OpenAPISchema:
        """Return the description."""
        schema = super().get_openapi_schema(**how)
        _with_problem(schema)
        for path, call in _calls(schema):
            _with_problems(path, call)
            _with_examples(call)
        return schema


def codes() -> dict[int, list[str]]:
    """Return the codes of all problems by HTTP status."""
    found = defaultdict[int, list[str]](list)
    for kind, status in STATUS.items():
        found[status.value].append(kind.code)
    found[HTTPStatus.INTERNAL_SERVER_ERROR.value].append(PlatformError.code)
    return {status: sorted(set(names)) for status, names in found.items()}


def _calls(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, calls in schema["paths"].items():
        yield from ((path, call) for method, call in calls.items() if method in METHODS)


def _with_problem(schema: dict[str, Any]) -> None:
    problem = schema["components"]["schemas"]["Problem"]
    problem["properties"]["code"]["enum"] = sorted({code for each in codes().values() for code in each})


def _with_problems(path: str, call: dict[str, Any]) -> None:
    answers = call["responses"]
    told = {int(status) for status in answers} | set(ANYWHERE) | ({404} if "{" in path else set())
    for status in sorted(told & codes().keys()):
        answers.pop(status, None)
        answers[str(status)] = _problem(status)
    call["responses"] = {str(status): answer for status, answer in answers.items()}


def _problem(status: int) -> dict[str, Any]:
    names, phrase = codes()[status], HTTPStatus(status).phrase
    example = {"type": "about:blank", "title": phrase, "status": status, "code": names[0], "detail": "…"}
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    headers = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    answer = {
        "description": f"{phrase}: {', '.join(f'`{name}`' for name in names)}",
        "content": {CONTENT_TYPE: content},
    }
    later = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    return answer | ({"headers": headers} if status in later else {})


def _with_examples(call: dict[str, Any]) -> None:
    for kind, content in call.get("requestBody", {}).get("content", {}).items():
        if kind not in JSON:
            continue
        content["examples"] = MANY if content["schema"].get("type") == "array" else EXAMPLES
