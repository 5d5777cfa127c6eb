"""The OpenAPI description, completed: every answer that a call may give, with examples of each."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from jobs.api.docs import problem_docs
from jobs.api.docs.cascade_docs import CASCADE_PARAMETERS
from jobs.api.docs.named_schemas import NAMED
from jobs.api.docs.request_docs import PARAMETERS
from jobs.api.docs.response_docs import ANSWERS, by_example, headers_of
from jobs.api.docs.rollout_docs import LIST_PARAMETERS
from jobs.api.problems import STATUS
from jobs.core.errors import PlatformError

# Media types whose examples stand with the request that asks for them.
OF_THEIR_OWN = frozenset({"application/x-npy", "application/octet-stream", "text/markdown", "image/png"})
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
CLASS_SUFFIX = "Schema"  # keeps a class from sharing a model's name; clients see names without it


class DescribedApi(NinjaAPI):
    """An API whose description includes its problems, headers and examples."""

    def get_openapi_schema(self, **how: Any) -> OpenAPISchema:
        """Return the description."""
        schema = super().get_openapi_schema(**how)
        _with_codes(schema)
        for name, call in _calls(schema):
            _with_parameters(name, call)
            _with_answers(name, call)
            _with_problems(name, call)
        schema["components"]["schemas"] = {
            _component(name): body for name, body in schema["components"]["schemas"].items()
        }
        _rename_references(schema)
        schema["components"]["schemas"].update(copy.deepcopy(dict(NAMED)))
        return schema


def _component(name: str) -> str:
    return name.removesuffix(CLASS_SUFFIX)


def _rename_references(node: Any) -> None:
    """Point each `$ref` at its component's public name, and give each component that title."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"$ref", "title"} and isinstance(value, str):
                node[key] = _component(value)
            else:
                _rename_references(value)
    elif isinstance(node, list):
        for value in node:
            _rename_references(value)


def _calls(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each call by the name it has in our tables, such as `get jobs`."""
    for path, calls in schema["paths"].items():
        place = path.partition("/v1/")[2]
        yield from ((f"{method} {place}", call) for method, call in calls.items() if method in METHODS)


def _with_codes(schema: dict[str, Any]) -> None:
    kinds: set[type[PlatformError]] = {PlatformError, *STATUS}
    kinds.update(kind for refusals in problem_docs.REFUSALS.values() for kind in refusals)
    problem = schema["components"]["schemas"]["ProblemSchema"]
    problem["properties"]["code"]["enum"] = sorted({kind.code for kind in kinds})


def _with_parameters(name: str, call: dict[str, Any]) -> None:
    texts = {**PARAMETERS, **(LIST_PARAMETERS if name == "get rollouts" else {})}
    texts |= CASCADE_PARAMETERS if name.endswith("/cascade") else {}
    for parameter in call.get("parameters", ()):
        if parameter["in"] != "header":
            parameter["description"], parameter["example"] = texts[parameter["name"]]


def _with_answers(name: str, call: dict[str, Any]) -> None:
    for status, answer in ANSWERS[name].items():
        response = call["responses"][status]
        response["description"] = answer.means
        for kind, content in response.get("content", {}).items():
            if kind not in OF_THEIR_OWN and "examples" not in content:
                content["examples"] = by_example(answer.examples)
        if headers := headers_of(name, status):
            response["headers"] = headers


def _with_problems(name: str, call: dict[str, Any]) -> None:
    responses = {str(status): call["responses"][status] for status in ANSWERS[name]}
    for status, kinds in problem_docs.refusals(name, scoped="x-scope" in call).items():
        responses[str(status)] = problem_docs.answer(status, kinds, headers_of(name, status))
    call["responses"] = responses
