"""The API's description by example: each body and each answer shows one, as its schema has it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import jsonschema_rs
import pytest

from jobs.api.docs import problem_docs
from jobs.api.endpoints import api
from jobs.api.problems import STATUS, headers
from jobs.core import errors
from jobs.core.submission.file_references import references

DOCUMENT: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api/v1/")))
PROBLEM = "application/problem+json"
TELLS_LIMITS = {"200", "201", "202", "429"}
METERED = {"post /api/v1/jobs", "post /api/v1/jobs/bulk", "post /api/v1/uploads"}
# No call of a client meets these: an operator's command or page raises them, or they have subclasses.
NEVER = {
    errors.BrokerUnavailableError,
    errors.DatabaseUnusableError,
    errors.DirtyTreeError,
    errors.ExperimentStateError,
    errors.NoHistoryError,
    errors.RequestError,
    errors.TooManyLoginsError,  # of the admin
    errors.UnknownExperimentError,
}


def calls(paths: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each call by its name, and after it those that the platform makes on account of it."""
    for path, methods in paths.items():
        for method, call in methods.items():
            yield f"{method} {path}", call
            for called in call.get("callbacks", {}).values():
                yield from calls(called)


CALLS = dict(calls(DOCUMENT["paths"]))
ANSWERS = [
    (name, status, answer) for name, call in CALLS.items() for status, answer in call["responses"].items()
]
BODIES = [(name, call["requestBody"]) for name, call in CALLS.items() if "requestBody" in call]
CONTENTS = [
    (f"{name} {what}", kind, content)
    for name, what, described in [*((name, "asks", body) for name, body in BODIES), *ANSWERS]
    for kind, content in described.get("content", {}).items()
]


def strict() -> dict[str, Any]:
    """Return the components so that a member which no schema knows is an error; some may have more."""
    components: dict[str, Any] = copy.deepcopy(DOCUMENT["components"])
    for name, schema in components["schemas"].items():
        if schema.get("type") == "object" and name not in {"Problem", "JobForm"}:
            schema["additionalProperties"] = False
    return components


def values(content: dict[str, Any]) -> dict[str, Any]:
    return {title: example["value"] for title, example in content.get("examples", {}).items()}


@pytest.mark.parametrize(("place", "kind", "content"), CONTENTS, ids=[f"{c[0]} {c[1]}" for c in CONTENTS])
def test_every_body_and_answer_has_examples_which_its_schema_takes(
    place: str, kind: str, content: dict[str, Any]
) -> None:
    assert values(content), (place, kind)
    for title, value in values(content).items():
        assert not faults(content["schema"], value), (place, kind, title)
        for item in items(kind, value) if "x-itemSchema" in content else ():
            assert not faults(content["x-itemSchema"], item), (place, kind, title)


def faults(schema: dict[str, Any], value: object) -> list[str]:
    validator = jsonschema_rs.validator_for({**schema, "components": strict()}, validate_formats=True)
    return [str(error) for error in validator.iter_errors(value)]


def items(kind: str, text: str) -> list[Any]:
    """Return the lines or events of an example."""
    if kind == "text/event-stream":
        events = [block.splitlines() for block in text.split("\n\n")[:-1]]
        return [dict(line.split(": ", 1) for line in event) for event in events]
    return [json.loads(line) for line in text.splitlines()]


def test_examples_of_streams_hold_items() -> None:
    streams = [(kind, content) for _, kind, content in CONTENTS if "x-itemSchema" in content]
    assert {kind for kind, _ in streams} == {"application/x-ndjson", "text/event-stream"}
    assert all(items(kind, text) for kind, content in streams for text in values(content).values())


def test_all_calls_are_checked() -> None:
    assert len(CALLS) == sum(map(len, DOCUMENT["paths"].values())) + 1
    pairs = {(name, kind) for name, body in BODIES for kind in body["content"]}
    assert {
        ("post /api/v1/jobs", "multipart/form-data"),
        ("post /api/v1/uploads", "application/octet-stream"),
        ("post {$request.body#/callback_url}", "application/json"),
    } <= pairs
    without = ("{job_id}", "{act_id}", "token/rotate", "{backtest_id}")
    with_body = [name for name in CALLS if name.startswith(("post", "put"))]
    bodies = {name for name in with_body if not any(part in name for part in without)}
    bodies.add("post /api/v1/jobs/{job_id}/feedback")
    assert {name for name, _ in BODIES} == bodies


def problems() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the problems that the platform answers; a webhook's answers are its receiver's."""
    for name, status, answer in ANSWERS:
        if status >= "400" and "/api/" in name:
            yield name, status, answer


def test_every_problem_of_every_call_has_an_example() -> None:
    for name, status, answer in problems():
        shown = values(answer["content"][PROBLEM])
        codes = answer["description"].partition(": ")[2].split(", ")
        assert [f"`{code}`" for code in shown] == codes, (name, status)
        for code, problem in shown.items():
            phrase = HTTPStatus(int(status)).phrase
            assert (problem["code"], str(problem["status"]), problem["title"]) == (code, status, phrase)
            assert len(problem["detail"]) > 10, (name, code)


def test_every_error_for_clients_is_documented_at_some_call() -> None:
    codes = {code for _, _, answer in problems() for code in values(answer["content"][PROBLEM])}
    assert {kind.code for kind in STATUS.keys() - NEVER} <= codes
    assert not {kind.code for kind in NEVER} & codes
    assert codes <= set(DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])


def test_the_headers_of_answers_are_described() -> None:
    ours = {"Content-Type", "Cache-Control", "Connection"}
    kinds = {kind.code: kind for kind in all_kinds()}
    for name, status, answer in ANSWERS:
        described = answer.get("headers", {}).keys()
        shown = values(answer.get("content", {}).get(PROBLEM, {}))
        sent = {header for code in shown for header in headers(problem_docs.example(kinds[code]))} - ours
        assert sent <= described, (name, status)
        assert ("RateLimit" in described) == (name in METERED and status in TELLS_LIMITS), (name, status)


def all_kinds() -> set[type[errors.PlatformError]]:
    kinds: set[type[errors.PlatformError]] = {errors.PlatformError, *STATUS, *problem_docs.ANYWHERE}
    return kinds.union(*problem_docs.REFUSALS.values())


def test_every_parameter_and_what_comes_with_a_job_is_described() -> None:
    responses = CALLS["post /api/v1/jobs"]["responses"]
    for status in ("200", "202"):
        assert {"Location", "Preference-Applied"} <= responses[status]["headers"].keys()
    for call in CALLS.values():
        for parameter in call.get("parameters", ()):
            assert parameter["description"], parameter
            validator = jsonschema_rs.validator_for({**parameter["schema"], "components": strict()})
            assert validator.is_valid(parameter["example"]), parameter


def test_examples_refer_to_files_in_both_ways() -> None:
    content = CALLS["post /api/v1/jobs"]["requestBody"]["content"]
    lists = [references(value["input"]) for value in values(content["application/json"]).values()]
    (upload,) = {one for items in lists for one in items}
    (answered,) = values(
        CALLS["post /api/v1/uploads"]["responses"]["201"]["content"]["application/json"]
    ).values()
    assert (upload.source, upload.name) == ("upload", answered["id"])
    for form in values(content["multipart/form-data"]).values():
        parts = references(form["job"]["input"])
        assert {(one.source, one.name) for one in parts} == {("part", name) for name in form.keys() - {"job"}}
