"""Small calls that would cost much: each is refused, or costs no more than its bytes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.test import Client

from jobs.core.admission.shedding import Expected, Shed, ShedReason
from jobs.core.canonical_json import canonical_bytes
from jobs.models import Job
from jobs.services.webhooks.secrets import make_secret
from models_registry import selectors
from models_registry.models import ModelVersion

MANY = 10_000
MB = 1_000_000
BULK = "/api/v1/jobs/bulk"
ECHO = {"model": "echo", "input": {"text": "hello"}}


@contextmanager
def few_statements(most: int = 15, seconds: float = 10.0) -> Iterator[None]:
    sent, execute, began = list[str](), psycopg.Cursor.execute, time.process_time()

    def counted(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        sent.append(str(query)[:80])
        return execute(self, query, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", counted)
        yield
    assert 0 < len(sent) <= most, (len(sent), sent[:30])
    assert time.process_time() - began < seconds


def uploaded(app: Client, body: bytes, kind: str = "text/plain") -> str:
    answer = app.post("/api/v1/uploads", data=body, content_type=kind)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def with_schema(schema: dict[str, Any]) -> None:
    ModelVersion.objects.update(input_schema=schema)
    selectors.forget()


def test_one_upload_that_is_named_hundreds_of_times_counts_so_often(
    app: Client, post: Callable[..., Any]
) -> None:
    with_schema({"type": "object"})
    upload = uploaded(app, b"x" * 2 * MB)
    answer = post({"model": "echo", "input": {"pages": [{"$upload": upload}] * 400}})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "input_too_large")
    assert "as often as it refers to them; at most 150000000" in problem["detail"]
    assert not Job.objects.exists()
    fine = post({"model": "echo", "input": {"pages": [{"$upload": upload}] * 70}})
    assert fine.status_code == 202
    assert Job.objects.get(pk=fine.json()["id"]).size > 140 * MB  # for the batch that it will be in


def test_the_schema_is_checked_although_files_are_missing_from_the_input(
    app: Client, post: Callable[..., Any]
) -> None:
    upload = {"$upload": uploaded(app, b"x")}
    for refused in ([upload], {"text": [upload]}, {"text": upload, "other": 0, "pages": [upload] * 4}):
        with_schema({
            "type": "object",
            "properties": {"text": {"type": "string"}, "pages": {"maxItems": 3}},
        })  # fmt: skip
        answer = post({"model": "echo", "input": refused})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert post({"model": "echo", "input": {"text": upload}}).status_code == 202


def test_an_item_of_a_bulk_call_is_no_larger_than_a_call_of_its_own(post: Callable[..., Any]) -> None:
    large = {"model": "echo", "input": {"text": "x" * 2 * MB}}
    items = post([ECHO, large], BULK).json()["jobs"]
    assert [item.get("problem", {}).get("code") for item in items] == [None, "body_too_large"]
    assert items[1]["problem"]["status"] == 413


def test_thousands_of_unknown_models_cost_as_many_statements_as_one(post: Callable[..., Any]) -> None:
    jobs = [ECHO | {"model": name} for n in range(MANY // 2) for name in (f"no-{n}", f"no-{n}:{n}")]
    with few_statements():
        items = post(jobs, BULK).json()
    assert (items["accepted"], items["rejected"]) == (0, MANY)
    assert {item["problem"]["code"] for item in items["jobs"]} == {"model_not_found"}


def test_made_up_names_displace_no_model_from_the_cache(post: Callable[..., Any]) -> None:
    assert post(ECHO).status_code == 202
    post([ECHO | {"model": f"no-{number}"} for number in range(MANY)], BULK)
    assert ("ref", "echo") in selectors._cache
    assert len(selectors._absent) <= selectors.CACHED_ENTRIES


def test_thousands_of_callbacks_cost_as_many_statements_as_one(
    app: Client, post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", None)  # so that to look a name up fails
    number = 2_000
    make_secret(client="app", actor="tests")
    jobs = [ECHO | {"callback_url": f"https://h{at}.example/"} for at in range(number)]
    with few_statements(30):
        assert post(jobs, BULK).json()["accepted"] == number


def test_thousands_of_uploads_are_looked_up_in_one_statement(app: Client, post: Callable[..., Any]) -> None:
    known = uploaded(app, b"x")
    ids = [known, *(f"019{at:05d}-0000-7000-8000-000000000000" for at in range(1_000)), "nonsense"]
    jobs = [{"model": "echo", "input": {"text": {"$upload": upload}}} for upload in ids]
    with few_statements():
        items = post(jobs, BULK).json()
    assert (items["accepted"], items["rejected"]) == (1, 1_001)
    assert {item["problem"]["code"] for item in items["jobs"][1:]} == {"upload_not_found"}


def test_thousands_of_deadlines_at_a_full_model_cost_as_many_statements_as_one(
    post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "jobs.services.admission.admit.shed_from", lambda *_, **__: Shed(ShedReason.FULL, 1, Expected(1))
    )
    jobs = [
        ECHO | {"deadline_s": 100 + at / 10, "idempotency_key": f"k{at}", "priority": at % 10}
        for at in range(1_000)
    ]
    with few_statements(40):
        assert post(jobs, BULK).json()["rejected"] == 1_000


@pytest.mark.parametrize(
    "value",
    [
        b"1" * 900_000,
        b"-" + b"9" * 5_000,
        b"1e" + b"9" * 900_000,
        b"{" + b",".join(b'"%d":0' % at for at in range(90_000)) + b"}",
        b"[" * 90 + b"0," * 200_000 + b"0" + b"]" * 90,
        b'["' + b"\\u0000" * 140_000 + b'"]',
        b"[" + b"[]," * 300_000 + b"[]]",
        b"[" + b",".join(b"%d" % (10**19 + at) for at in range(40_000)) + b"]",
    ],
    ids=["digits", "integer", "exponent", "keys", "deep", "escapes", "dense", "large-integers"],
)
def test_a_body_costs_no_more_than_its_bytes(post: Callable[..., Any], value: bytes) -> None:
    with_schema({"properties": {"text": {"uniqueItems": True}}})
    began = time.process_time()
    answer = post(b'{"model":"echo","input":{"text":' + value + b"}}")
    assert answer.status_code in {202, 400, 422}
    assert time.process_time() - began < 3.0


def test_an_input_with_many_references_is_refused_whatever_their_size(
    app: Client, post: Callable[..., Any]
) -> None:
    upload = {"$upload": uploaded(app, b"")}
    body = {"model": "echo", "input": {"text": [upload] * 1_001}}
    assert len(canonical_bytes(body)) < MB
    answer = post(json.dumps(body).encode())
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
