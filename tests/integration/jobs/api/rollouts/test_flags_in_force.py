"""A flag decides in every process within two seconds; it is put whole or not at all, by one at a time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.db import connection, connections
from django.test import Client

from jobs.models import Event, Follower
from jobs.services.access.tokens import create_token
from models_registry.core.registry_errors import FlagConflictError
from models_registry.models import Flag, FlagChange
from models_registry.services.flags import put_flag, remove_flag
from models_registry.services.rules import put_rule
from models_registry.shared.platform_errors import PlatformError
from tests.support.factories import make_version
from tests.support.flags import OWNED, flag
from tests.support.rules import rule, two_versions
from tests.support.threads import at_once
from tests.support.wait import wait_until

FLAG = "/api/v1/flags/beta"
IN_FORCE_S = 2.0
BY_FLAG: dict[str, Any] = {"share": 0.0, "cohorts": [{"flag": "beta", "arm": "candidate"}]}


def put(server: Any, **fields: Any) -> int:
    answer: int = server.put(FLAG, json={"document": OWNED | fields}).status_code
    return answer


def test_what_one_process_puts_decides_in_another_within_two_seconds(
    serve: Callable[..., httpx.Client],
    versions: None,  # two that take the same inputs
) -> None:
    token = create_token(client="operators", scopes=["submit", "roll_out"])
    one, other = serve(), serve()
    for server in (one, other):
        server.headers["Authorization"] = f"Bearer {token}"
    assert put(one, on=False) == 200
    rule(**BY_FLAG)

    def answers() -> str:
        job = {"model": "echo", "input": {"text": str(time.monotonic_ns())}}
        version: str = other.post("/api/v1/jobs", json=job).json()["version"]
        return version

    wait_until(lambda: answers() == "1", what="the first job by the rule")
    for on, version in ((True, "2"), (False, "1"), (True, "2")):
        assert put(one, on=on) == 200
        wait_until(lambda: answers() == version, limit_s=IN_FORCE_S)  # noqa: B023  # called in this round


def test_the_switch_cache_obeys_in_another_process_within_two_seconds(
    serve: Callable[..., httpx.Client],
) -> None:
    make_version("cached", options={"cache_ttl_s": 600, "collapse": True})
    token = create_token(client="operators", scopes=["submit", "read", "roll_out"])
    one, other = serve(), serve()
    for server in (one, other):
        server.headers["Authorization"] = f"Bearer {token}"

    def follows() -> bool:
        before = Follower.objects.count()
        other.post("/api/v1/jobs", json={"model": "cached", "input": {"text": "same"}}).raise_for_status()
        return Follower.objects.count() > before

    other.post("/api/v1/jobs", json={"model": "cached", "input": {"text": "same"}}).raise_for_status()
    assert follows()
    for on in (False, True):
        path = "/api/v1/flags/cache"
        assert one.put(path, json={"document": OWNED | {"on": on}}).status_code == 200
        wait_until(lambda: follows() is on, limit_s=IN_FORCE_S)  # noqa: B023  # called in this round


@pytest.mark.parametrize("act", ["put", "change", "remove"])
def test_a_database_that_is_gone_during_a_change_leaves_the_whole_or_nothing(
    operator: Client, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    if act != "put":
        flag()
    before = list(FlagChange.objects.values()), list(Flag.objects.values()), Event.objects.count()

    def gone(*_: Any, **__: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    def changed() -> int:
        body = json.dumps({"document": OWNED | {"on": False}})
        if act == "remove":
            return operator.delete(FLAG).status_code
        return operator.put(FLAG, body, "application/json").status_code

    with monkeypatch.context() as patched:
        patched.setattr("models_registry.services.flags.announce", gone)
        assert changed() == 503
    connections.close_all()
    assert (
        list(FlagChange.objects.values()), list(Flag.objects.values()), Event.objects.count(),
    ) == before  # fmt: skip
    assert changed() == 200
    assert FlagChange.objects.count() == len(before[0]) + 1


def outcome(call: Callable[[], object]) -> Callable[[], str]:
    def made() -> str:
        try:
            call()
        except PlatformError as error:
            return error.code
        return "done"

    return made


@pytest.mark.parametrize("number", [0, 1])
def test_of_two_people_who_read_the_same_flag_one_changes_it(operator: Client, number: int) -> None:
    if number:
        flag(share=0.5)
    calls = [
        outcome(
            lambda share=share: put_flag(  # type: ignore[misc]  # a default binds the value
                name="beta", document=OWNED | {"share": share}, actor=str(share), number=number
            )
        )
        for share in (0.1, 0.2, 0.3, 0.4)
    ]
    assert sorted(at_once(calls)) == ["done", *["flag_conflict"] * 3]
    assert Flag.objects.get().number == number + 1
    assert FlagChange.objects.count() == number + 1


def test_of_two_first_puts_at_once_without_a_number_none_is_lost_in_silence(operator: Client) -> None:
    calls = [
        outcome(
            lambda share=share: put_flag(  # type: ignore[misc]  # as above
                name="beta", document=OWNED | {"share": share}, actor="olga"
            )
        )
        for share in (0.1, 0.2, 0.3, 0.4)
    ]
    outcomes = at_once(calls)
    assert set(outcomes) <= {"done", FlagConflictError.code}
    assert Flag.objects.get().number == FlagChange.objects.count() == outcomes.count("done")


def test_a_rule_and_the_removal_of_its_flag_at_once_leave_no_rule_without_its_flag(operator: Client) -> None:
    for _ in range(5):
        two_versions()
        flag()
        document = {"stable": "1", "candidate": "2", **BY_FLAG}
        calls = [
            outcome(lambda: remove_flag(name="beta", actor="otto")),
            outcome(lambda: put_rule(model="echo", alias="default", document=document, actor="olga")),  # noqa: B023  # called in this round
        ]
        removed, ruled = at_once(calls)
        assert (removed, ruled) in {("done", "rule"), ("flag_in_use", "done")}
        assert Flag.objects.exists() == (ruled == "done")
        put_rule(model="echo", alias="default", document={"stable": "1"}, actor="olga")


def test_the_flag_that_is_put_again_after_a_lost_answer_is_the_same(operator: Client) -> None:
    body = json.dumps({"document": OWNED, "number": 0})
    answers = [operator.put(FLAG, body, "application/json").json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert FlagChange.objects.count() == 1
