"""Flags over the API: put, shown with their history, removed, tried, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from jobs.models import Client as App
from jobs.models import Event
from models_registry.models import Flag, FlagChange
from tests.integration.jobs.api.rollouts.asked import client_of, read, sent
from tests.support.flags import OWNED, flag
from tests.support.rules import rule

FLAG = "/api/v1/flags/beta"


def put(client: Client, body: Any, path: str = FLAG) -> tuple[int, dict[str, Any]]:
    answer = client.put(path, json.dumps(body), "application/json")
    return answer.status_code, answer.json()


def remove(client: Client, query: str = "") -> tuple[int, dict[str, Any]]:
    answer = client.delete(FLAG + query)
    return answer.status_code, answer.json()


def test_a_flag_is_put_changed_shown_and_removed(operator: Client) -> None:
    status, first = put(operator, {"document": OWNED | {"share": 0.1}, "reason": "try it", "number": 0})
    assert (status, first["number"], first["document"]["share"]) == (200, 1, 0.1)
    assert (first["actor"], first["reason"], first["expired"]) == ("client:operators", "try it", False)
    status, second = put(operator, {"document": OWNED, "number": 1})
    assert (status, second["number"], second["used_by"]) == (200, 2, [])
    rule(cohorts=[{"flag": "beta", "arm": "candidate"}])
    status, shown = read(operator, FLAG)
    assert (status, shown["used_by"]) == (200, ["echo@default"])
    assert [change["number"] for change in shown["changes"]] == [2, 1]
    assert remove(operator)[1]["code"] == "flag_in_use"
    rule(share=0.5)
    status, gone = remove(operator, "?number=2&reason=done")
    assert (status, gone["number"], gone["document"], gone["reason"]) == (200, 3, None, "done")
    assert read(operator, FLAG)[1]["code"] == "flag_not_found"
    assert remove(operator)[1]["code"] == "flag_not_found"
    acts = Event.objects.filter(kind="registry", detail__flag="beta").order_by("id")
    assert [(event.detail["act"], event.actor) for event in acts] == [
        ("flag", "client:operators"), ("flag", "client:operators"), ("flag_removed", "client:operators"),
    ]  # fmt: skip
    assert all(event.address for event in acts)


def test_an_event_of_a_flag_names_no_client(operator: Client) -> None:
    app = App.objects.get()
    put(operator, {"document": OWNED | {"clients": [app.name]}})
    event = Event.objects.filter(kind="registry").latest("id")
    assert app.name not in json.dumps(event.detail)


def test_what_was_in_force_at_a_moment_and_who_decided_it_is_one_call(operator: Client) -> None:
    flag(share=0.1)
    flag(share=0.2)
    flag("other")
    at = FlagChange.objects.get(name="beta", number=1).at.isoformat().replace("+00:00", "Z")
    status, then = read(operator, f"/api/v1/flags?at={at}")
    assert (status, [(one["name"], one["number"], one["actor"]) for one in then["flags"]]) == (
        200, [("beta", 1, "olga")],
    )  # fmt: skip
    now = read(operator, "/api/v1/flags")[1]["flags"]
    assert [(one["name"], one["document"]["share"]) for one in now] == [("beta", 0.2), ("other", 1.0)]
    status, problem = read(operator, "/api/v1/flags?at=2026-01-31T14:03:00")
    assert (status, problem["code"]) == (400, "malformed")


def test_expired_flags_are_listed(operator: Client) -> None:
    flag()
    flag("old")
    Flag.objects.filter(name="old").update(expires_at="2001-01-01T00:00:00Z")
    listed = {
        answer: [one["name"] for one in read(operator, f"/api/v1/flags?expired={answer}")[1]["flags"]]
        for answer in ("true", "false")
    }
    assert listed == {"true": ["old"], "false": ["beta"]}
    assert [one["expired"] for one in read(operator, "/api/v1/flags")[1]["flags"]] == [False, True]


WRONG: list[tuple[Any, int, str]] = [
    ({}, 422, "flag"),
    (OWNED | {"share": "half"}, 422, "flag"),
    (OWNED | {"share": -0.1}, 422, "flag"),
    (OWNED | {"share": 1.1}, 422, "flag"),
    (OWNED | {"when": {"type": 7}}, 422, "flag"),
    (OWNED | {"when": {"required": ["colour"]}}, 422, "flag"),
    (OWNED | {"clients": ["nobody"]}, 422, "flag"),
    (OWNED | {"clients": ["x"] * 1_001}, 422, "flag"),
    (OWNED | {"surprise": 1}, 422, "flag"),
]


@pytest.mark.parametrize(("document", "status", "code"), WRONG)
@pytest.mark.parametrize("path", [FLAG, f"{FLAG}/preview"])
def test_a_wrong_flag_names_what_is_wrong_and_is_not_put(
    operator: Client, path: str, document: Any, status: int, code: str
) -> None:
    is_preview = path.endswith("preview")
    body = {"document": document, **({"last": 10} if is_preview else {})}
    answered, problem = sent(operator, path, body) if is_preview else put(operator, body)
    assert (answered, problem["code"]) == (status, code), problem
    assert not FlagChange.objects.exists()


@pytest.mark.parametrize(
    ("path", "document", "code"),
    [
        ("/api/v1/flags/Beta", OWNED, "flag"),
        (f"/api/v1/flags/{'a' * 64}", OWNED, "flag"),
        (FLAG, OWNED | {"expires_at": "2001-01-01T00:00:00Z"}, "flag"),
        (FLAG, OWNED | {"expires_at": "9999-12-31T23:59:59-14:00"}, "flag"),
        (FLAG, OWNED | {"expires_at": "0001-01-01T00:00:00+14:00"}, "flag"),
    ],
)
def test_a_bad_name_and_an_end_that_is_over_are_refused(
    operator: Client, path: str, document: Any, code: str
) -> None:
    status, problem = put(operator, {"document": document}, path)
    assert (status, problem["code"]) == (422, code)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"{", b'{"document": 7}', b'{"document": {}, "number": -1}',
     b'{"document": {"share": NaN}}', b'{"document": {"owner": "\\u0000"}}'],
)  # fmt: skip
def test_a_malformed_flag_is_refused(operator: Client, body: bytes) -> None:
    answer = operator.put(FLAG, body, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_who_read_an_older_flag_gets_a_conflict_with_the_number_that_is_in_force(operator: Client) -> None:
    flag()
    status, problem = put(operator, {"document": OWNED | {"on": False}, "number": 0})
    assert (status, problem["code"], problem["number"]) == (409, "flag_conflict", 1)
    status, problem = remove(operator, "?number=7")
    assert (status, problem["code"], problem["number"]) == (409, "flag_conflict", 1)
    assert Flag.objects.get().document["on"] is True


def test_a_client_of_some_models_neither_sees_nor_changes_flags(operator: Client) -> None:
    flag()
    App.objects.update(models=["echo"])
    calls = [
        read(operator, "/api/v1/flags"), read(operator, FLAG), put(operator, {"document": OWNED}),
        remove(operator), sent(operator, f"{FLAG}/preview", {"document": OWNED, "last": 1}),
    ]  # fmt: skip
    assert [(status, problem["code"]) for status, problem in calls] == [(403, "model_not_allowed")] * 5


def test_a_preview_says_for_whom_it_would_be_on_and_the_rule_s_preview_agrees(operator: Client) -> None:
    half = OWNED | {"share": 0.5}
    asks = [{"input": {"text": str(number)}} for number in range(40)]
    status, seen = sent(operator, f"{FLAG}/preview", {"document": half, "asks": asks})
    assert (status, seen["total"], len(seen["decisions"])) == (200, 40, 40)
    assert 5 < seen["on"] < 35
    assert seen["by_client"] == {"operators": seen["on"]}
    assert not Flag.objects.exists()
    put(operator, {"document": half})
    document = {"stable": "1", "candidate": "2", "cohorts": [{"flag": "beta", "arm": "candidate"}]}
    _, by_rule = sent(operator, "/api/v1/models/echo/rules/preview", {"document": document, "asks": asks})
    assert [one["version"] == "2" for one in by_rule["decisions"]] == [one["on"] for one in seen["decisions"]]
    sent(operator, "/api/v1/models/echo/rules", {"document": document})
    app = client_of("app", "submit")
    got = [sent(app, "/api/v1/jobs", {"model": "echo", **ask})[1]["version"] for ask in asks]
    assert [version == "2" for version in got] == [one["on"] for one in seen["decisions"]]
    _, stored = sent(operator, f"{FLAG}/preview", {"document": half, "last": 100})
    assert (stored["total"], stored["on"], stored["by_client"]) == (40, seen["on"], {"app": seen["on"]})


def test_a_preview_by_client_is_of_a_rule_that_is_sticky_by_client(operator: Client) -> None:
    body = {"document": OWNED | {"share": 0.5}, "sticky": "client", "asks": [{"input": n} for n in range(9)]}
    assert sent(operator, f"{FLAG}/preview", body)[1]["on"] in {0, 9}


def test_a_preview_is_of_jobs_that_are_described_or_of_stored_ones(operator: Client) -> None:
    wrong: list[dict[str, Any]] = [{}, {"asks": [{}], "last": 5}, {"last": 0}, {"last": 10_001}, {"asks": []},
                                   {"last": 1, "sticky": "weather"}]  # fmt: skip
    for more in wrong:
        status, problem = sent(operator, f"{FLAG}/preview", {"document": OWNED, **more})
        assert (status, problem["code"]) == (400, "malformed"), more


def test_an_end_with_a_far_offset_is_kept_in_utc_so_that_each_call_can_read_it(operator: Client) -> None:
    status, made = put(operator, {"document": OWNED | {"expires_at": "2099-03-01T00:00:00+23:59"}})
    assert (status, made["document"]["expires_at"]) == (200, "2099-02-28T00:01:00Z")
    at = made["at"].replace("+00:00", "Z")
    status, then = read(operator, f"/api/v1/flags?at={at}")
    assert (status, [one["name"] for one in then["flags"]]) == (200, ["beta"])
    assert remove(operator)[0] == 200


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00%2B23:59"])
def test_the_first_and_last_moments_there_are_can_be_asked_for(operator: Client, at: str) -> None:
    flag()
    status, then = read(operator, f"/api/v1/flags?at={at}")
    assert (status, len(then["flags"])) == (200, 1 if at.startswith("9") else 0)


def test_a_reason_with_the_character_nul_is_refused(operator: Client) -> None:
    flag()
    status, problem = remove(operator, "?reason=%00")
    assert (status, problem["code"]) == (400, "malformed")
    assert Flag.objects.exists()


@pytest.mark.parametrize(
    "path",
    ["/api/v1/models/echo/drift?version=%00", "/api/v1/models/echo/rules/1/cascade?alias=%00",
     "/api/v1/models/echo/rules/1/report?alias=%00", "/api/v1/models/echo/rules/1/ab?alias=%00",
     "/api/v1/models/echo/rules/1/shadow?alias=%00", "/api/v1/flags/%00", "/api/v1/rollouts?model=%00",
     "/api/v1/models/%00/drift"],
)  # fmt: skip
def test_nul_in_an_address_is_no_fault_of_the_server(operator: Client, path: str) -> None:
    assert operator.get(path).status_code < 500
