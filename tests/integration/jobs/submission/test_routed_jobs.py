"""Jobs of an alias with a rule get the version that it decides, and leave a Route; others pay nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import connection

from jobs import metrics
from jobs.core.errors import (
    CircuitOpenError,
    IdempotencyConflictError,
    InvalidInputError,
    PlatformError,
)
from jobs.core.submission.request import JobRequest
from jobs.core.submission.routed_job import key_of
from jobs.db import statement as statements
from jobs.db.connections import options, pin_async
from jobs.db.session import open_session
from jobs.db.session_settings import Use
from jobs.db.statement import Statement
from jobs.models import Job, JobInput, Outbox, Route, ShadowCopy
from jobs.services.circuits.operate import open_by_hand
from jobs.services.circuits.reads import forget_circuits
from jobs.services.submission import plain_jobs
from jobs.services.submission.plain_jobs import NO_SIDES, PlainJob, store_plain
from jobs.services.submission.shared_statements import PLACE
from jobs.services.submission.statements import INSERT_JOINED, INSERT_MANY, INSERT_ONE
from jobs.services.submission.submit import place_job, submit_job, submit_jobs
from jobs.services.submission.submitted import Submitted
from models_registry import selectors
from models_registry.core.routing.decision import Ask, decide
from models_registry.models import ModelVersion
from models_registry.services.rules import put_rule
from tests.support.factories import make_version
from tests.support.rules import route_of, rule, two_versions
from tests.support.shadows import keep
from tests.support.submit import owner, submit_to

SHARED: Any = {"cache_ttl_s": 60}


@pytest.fixture(autouse=True)
def versions(db: str) -> tuple[ModelVersion, ModelVersion]:
    return two_versions()


def one(model: str, text: str) -> None:
    submit_to(model, {"text": text})


def many(model: str, text: str) -> None:
    requests = [JobRequest(model=model, input={"text": f"{text} {n}"}) for n in range(4)]
    assert all(isinstance(o, Submitted) for o in submit_jobs(owner=owner(), requests=requests))


def lone_call(model: str, text: str) -> None:
    on_the_loop([model], text)


def joined(model: str, text: str) -> None:
    on_the_loop([model] * 4, text)


def on_the_loop(models: Sequence[str], text: str) -> list[Submitted | PlatformError]:
    jobs = [
        PlainJob(owner(), place_job(owner=owner(), request=request), None)
        for request in [
            JobRequest(model=model, input={"text": f"{text} {n}"}) for n, model in enumerate(models)
        ]
    ]

    async def stored() -> list[Submitted | PlatformError]:
        async with await psycopg.AsyncConnection.connect(**options("tests"), autocommit=True) as session:
            await pin_async(session, use=Use.BULK)
            outcomes = await store_plain(session, jobs)
        return [outcomes[job.new.id] for job in jobs]

    return asyncio.run(stored())


ROADS: dict[str, tuple[Callable[[str, str], None], int, dict[str, Any]]] = {
    "INSERT_ONE": (one, 1, {}),
    "INSERT_MANY": (many, 4, {}),
    "INSERT_JOINED": (joined, 4, {}),
    "INSERT_ONE on the loop": (lone_call, 1, {}),
    "PLACE": (many, 4, SHARED),
}


# A process reads these again after some time, whatever the call.
READ_BY_TIME = ("jobs_circuit", "jobs_workpause", "jobs_queuestanding", "clock_timestamp")
PLAIN: dict[str, Statement[Any]] = {
    "INSERT_ONE": INSERT_ONE[NO_SIDES],
    "INSERT_MANY": INSERT_MANY[NO_SIDES],
    "INSERT_JOINED": INSERT_JOINED[NO_SIDES],
    "INSERT_ONE on the loop": INSERT_ONE[NO_SIDES],
    "PLACE": PLACE[NO_SIDES],
}


@contextmanager
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect the texts of all statements, Django's own included."""
    texts: list[str] = []
    execute, fetch_async = statements.execute, statements.fetch_async

    def noting(statement: Any, params: Any = statements.NO_PARAMS) -> Any:
        texts.append(statement.sql)
        return execute(statement, params)

    async def noting_async(session: Any, statement: Any, params: Any = statements.NO_PARAMS) -> Any:
        texts.append(statement.sql)
        return await fetch_async(session, statement, params)

    def djangos(run: Any, sql: Any, *rest: Any) -> Any:
        texts.append(str(sql))
        return run(sql, *rest)

    with monkeypatch.context() as patched, connection.execute_wrapper(djangos):
        patched.setattr(statements, "execute", noting)
        patched.setattr(plain_jobs, "fetch_async", noting_async)
        yield texts


def row_counts() -> dict[str, int]:
    own = [model for app in ("jobs", "models_registry") for model in apps.get_app_config(app).get_models()]
    return {model.__name__: model._default_manager.count() for model in own}


@pytest.mark.parametrize("road", ROADS)
def test_an_alias_without_a_rule_costs_the_statements_and_rows_of_a_pinned_version(
    road: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, jobs, options = ROADS[road]
    make_version("plain", "1", options=options)
    submit("plain", "warm")
    costs = []
    for model in ("plain:1", "plain"):
        selectors.forget()
        before = row_counts()
        with seen(monkeypatch) as texts:
            submit(model, model)
        rows = {name: count - before[name] for name, count in row_counts().items() if count != before[name]}
        texts = [text for text in texts if not any(table in text for table in READ_BY_TIME)]
        costs.append(([text for text in texts if "models_registry_" not in text], len(texts), rows))
    assert costs[0] == costs[1]
    storing, statement_count, rows = costs[1]
    assert statement_count - len(storing) == 2  # which version the alias stands for, and that version
    (insert,) = [text for text in storing if "INSERT INTO jobs_job " in text]
    assert insert == PLAIN[road].sql
    assert "jobs_route" not in insert
    expected = {"Job": jobs, "JobInput": jobs, "Outbox": jobs}
    if road == "PLACE":
        expected["CacheEntry"] = jobs
    assert rows == expected | {"Event": jobs if road == "INSERT_JOINED" else 1}


@pytest.mark.parametrize("road", ROADS)
def test_each_road_stores_the_routes_of_its_jobs_in_the_statement_of_the_jobs(
    road: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, jobs, options = ROADS[road]
    two_versions("ruled", options=options)
    put = rule("ruled")
    submit("ruled", "warm")
    with seen(monkeypatch) as texts:
        submit("ruled@default", "x")
    inserting = [text for text in texts if "INSERT INTO jobs_job " in text]
    assert [text for text in texts if "INTO jobs_route" in text] == inserting
    assert len(inserting) == 1
    routes = list(Route.objects.filter(asked="ruled@default").select_related("job__version"))
    assert len(routes) == jobs
    in_force = selectors.routed_all(["ruled"])["ruled"]
    for route in routes:
        assert (route.rule, route.rollout) == (put.pk, None)
        assert route.key is not None
        decision = decide(in_force, Ask(key_of(route.key), "tests", 4, {}, {}))  # type: ignore[arg-type]  # a rule
        assert (route.arm, route.counted) == (decision.arm, decision.counted)
        assert route.job.version.version == decision.version.version


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(
    "candidate", [{}, {"candidate": "2", "share": 0.5}], ids=["alone", "beside a canary"]
)
def test_each_road_stores_the_copies_of_a_shadow_in_the_statement_of_the_jobs(
    road: str, candidate: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, jobs, options = ROADS[road]
    two_versions("watched", options=options)
    make_version("watched", "3", options=options)
    document = {"stable": "1", "shadow": {"version": "3"}, **candidate}
    put = put_rule(model="watched", alias="default", document=document, actor="olga")
    with open_session() as session:
        keep(session)
    submit("watched", "warm")
    before = row_counts()
    with seen(monkeypatch) as texts:
        submit("watched", "x")
    (insert,) = [text for text in texts if "INSERT INTO jobs_job " in text]
    assert "INSERT INTO jobs_shadowcopy" in insert
    assert not [text for text in texts if text != insert and "jobs_shadow" in text]
    rows = {name: count - before[name] for name, count in row_counts().items() if count != before[name]}
    routes = {"Route": jobs} if candidate else {}
    assert rows["ShadowCopy"] == jobs
    assert {name: rows.get(name, 0) for name in routes} == routes
    assert ("Route" in rows) == bool(candidate)
    assert set(ShadowCopy.objects.values_list("rule", flat=True)) == {put.pk}


def test_a_call_of_routed_and_other_jobs_stores_routes_for_the_routed_ones_alone() -> None:
    make_version("plain")
    rule()
    asked = ["plain", "echo", "echo:1", "echo", "plain:1"]
    requests = [JobRequest(model=model, input={"text": str(n)}) for n, model in enumerate(asked)]
    outcomes = submit_jobs(owner=owner(), requests=requests)
    assert [outcome.model for outcome in outcomes if isinstance(outcome, Submitted)] == [
        "plain", "echo", "echo", "echo", "plain",
    ]  # fmt: skip
    assert [route.asked for route in Route.objects.all()] == ["echo", "echo"]


def test_a_pinned_version_is_never_routed() -> None:
    rule(share=1.0)
    assert submit_to("echo", 1).version == "2"
    pinned = submit_to("echo:1", 1)
    assert (pinned.version, route_of(pinned)) == ("1", None)


def test_a_repeat_finds_its_job_whatever_the_rule_says_now() -> None:
    rule(share=0.0)
    first = submit_to("echo", 1, idempotency_key="k")
    rule(share=1.0)
    again = submit_to("echo", 1, idempotency_key="k")
    assert (again.id, again.created, again.version) == (first.id, False, "1")
    assert submit_to("echo", 1).version == "2"
    assert Route.objects.count() == 2


def test_a_repeat_finds_its_job_though_only_the_candidate_guards_its_inputs() -> None:
    make_version("marked", "1")
    make_version("marked", "2", input_schema={"properties": {"text": {"x-pii": True}}})
    rule("marked", share=0.0, schema="both")
    first = submit_to("marked", {"text": "a"}, idempotency_key="k")
    rule("marked", share=1.0, schema="both")
    second = submit_to("marked", {"text": "b"}, idempotency_key="l")
    assert submit_to("marked", {"text": "a"}, idempotency_key="k").id == first.id
    rule("marked", share=0.0, schema="both")
    assert submit_to("marked", {"text": "b"}, idempotency_key="l").id == second.id
    with pytest.raises(IdempotencyConflictError):
        submit_to("marked", {"text": "c"}, idempotency_key="l")


def test_equal_inputs_get_equal_versions_and_a_share_that_grows_keeps_whom_it_had() -> None:
    had: set[int] = set()
    for share in (0.1, 0.4, 0.8):
        rule(share=share)
        got = {n for n in range(40) if submit_to("echo", n).version == "2"}
        assert got == {n for n in range(40) if submit_to("echo", n).version == "2"}
        assert had <= got
        had = got
    assert 20 < len(had) < 40


def test_parameters_are_part_of_the_input_that_decides() -> None:
    rule()
    assert {submit_to("echo", 1, parameters={"n": n}).version for n in range(20)} == {"1", "2"}


def test_a_client_sticks_to_its_version() -> None:
    rule(sticky="client")
    assert len({submit_to("echo", n).version for n in range(10)}) == 1
    request = JobRequest(model="echo", input=1)
    assert {submit_job(owner=owner(f"c{n}"), request=request).version for n in range(20)} == {"1", "2"}


def test_each_job_is_drawn_by_itself() -> None:
    rule(sticky="job")
    assert {submit_to("echo", 1).version for _ in range(30)} == {"1", "2"}


def test_a_pointer_that_is_missing_falls_back_to_the_input_and_is_counted() -> None:
    rule(sticky="metadata:/user/0")
    for user in ("a", "b", {"x": 1}):
        assert len({submit_to("echo", n, metadata={"user": [user]}).version for n in range(6)}) == 1
    missing = metrics.STICKY_MISSING.labels("echo")
    before = missing._value.get()
    lacking: list[Any] = [None, {}, {"user": []}, {"user": {"1": 2}}]
    for metadata in lacking:
        assert {submit_to("echo", n, metadata=metadata).version for n in range(20)} == {"1", "2"}
    assert missing._value.get() - before == 80


def test_keys_are_not_stored_in_clear_and_are_equal_for_equal_values() -> None:
    rule(sticky="client")
    keys = {route.key for route in [route_of(submit_to("echo", n)) for n in range(3)] if route}
    assert len(keys) == 1
    assert keys.isdisjoint({owner().id})


def test_what_a_job_is_read_against_is_that_of_the_version_that_runs_it() -> None:
    make_version("limits", "1", max_attempts=3, padded=False)
    make_version("limits", "2", max_attempts=7, padded=True, options={"retention_days": 3})
    rule("limits", share=1.0)
    job = Job.objects.get(pk=submit_to("limits", [1, 2, 3]).id)
    assert (job.max_attempts, job.size, job.keep_days) == (7, len(b"[1,2,3]"), 3)
    rule("limits", share=0.0)
    stable = Job.objects.get(pk=submit_to("limits", [1, 2, 3]).id)
    assert (stable.max_attempts, stable.keep_days) == (
        3,
        Job.objects.get(pk=submit_to("limits:1", 1).id).keep_days,
    )
    assert stable.size is not None
    assert stable.size > len(b"[1,2,3]")


def test_a_baseline_s_jobs_have_a_batching_key_of_their_own() -> None:
    rule(share=0.3, baseline=True)
    for n in range(60):
        submit_to("echo", n, parameters={"p": n % 2})
    variants: dict[str, set[int]] = {}
    for route in Route.objects.all():
        variants.setdefault(route.arm, set()).add(Outbox.objects.get(pk=route.pk).parameters_digest)
    assert set(variants) == {"candidate", "baseline", "stable"}
    assert {arm: len(keys) for arm, keys in variants.items()} == {"candidate": 2, "baseline": 2, "stable": 2}
    assert variants["candidate"] == variants["stable"]
    assert variants["baseline"].isdisjoint(variants["stable"])
    of_baseline = Route.objects.filter(arm="baseline").count()
    assert JobInput.objects.filter(parameters_digest__isnull=False).count() == of_baseline


def test_both_schemas_are_asked_and_the_refusal_names_the_version_that_refused() -> None:
    make_version("narrow", "1", input_schema={"type": "integer"})
    make_version("narrow", "2", input_schema={"type": "integer", "maximum": 5})
    for share in (0.0, 1.0):
        rule("narrow", share=share, schema="both")
        submit_to("narrow", 5)
        with pytest.raises(InvalidInputError, match="By the input schema of narrow:2") as caught:
            submit_to("narrow", 6)
        assert caught.value.details == {"pointer": ""}
        with pytest.raises(InvalidInputError, match="By the input schema of narrow:1"):
            submit_to("narrow", "x")


def test_a_cohort_comes_before_the_share() -> None:
    of_olga = {"properties": {"client": {"const": "olga"}, "metadata": {"required": ["beta"]}}}
    urgent = {"properties": {"priority": {"minimum": 8}}}
    rule(share=0.0, cohorts=[{"when": urgent, "arm": "stable"}, {"when": of_olga, "arm": "candidate"}])
    olga = owner("olga")

    def version(of: Any, **fields: Any) -> str:
        return submit_job(owner=of, request=JobRequest(model="echo", input=1, **fields)).version

    assert version(olga, metadata={"beta": 1}) == "2"
    assert version(olga, metadata={"alpha": 1}) == "1"
    assert version(olga) == "1"
    assert version(owner("otto"), metadata={"beta": 1}) == "1"
    assert version(olga, metadata={"beta": 1}, priority=9) == "1"
    assert {route.counted for route in Route.objects.filter(arm="candidate")} == {False}


def test_a_circuit_s_fallback_leaves_a_route_without_a_rule() -> None:
    make_version("spare")
    broken = make_version("broken", "1", options={"fallback": "spare"})
    open_by_hand(version=selectors.info(broken.pk), actor="olga")
    outcome = submit_to("broken", 1)
    route = route_of(outcome)
    assert outcome.model == "spare"
    assert route is not None
    assert (route.arm, route.rule, route.rollout, route.key, route.asked) == (
        "fallback",
        None,
        None,
        None,
        "broken",
    )


def test_the_stable_version_answers_while_the_candidate_s_circuit_is_open(
    versions: tuple[ModelVersion, ModelVersion],
) -> None:
    rule(share=1.0)
    open_by_hand(version=selectors.info(versions[1].pk), actor="olga")
    outcome = submit_to("echo", 1)
    route = route_of(outcome)
    assert outcome.version == "1"
    assert route is not None
    assert (route.arm, route.rule, route.counted) == ("fallback", None, False)
    assert route.key is not None
    open_by_hand(version=selectors.info(versions[0].pk), actor="olga")
    forget_circuits()
    with pytest.raises(CircuitOpenError):
        submit_to("echo", 1)


def test_a_candidate_that_is_blocked_gets_nothing_any_more(
    versions: tuple[ModelVersion, ModelVersion],
) -> None:
    rule(share=1.0)
    ModelVersion.objects.filter(pk=versions[1].pk).update(state="blocked")
    selectors.forget()
    outcome = submit_to("echo", 1)
    assert (outcome.version, route_of(outcome)) == ("1", None)


def test_a_result_that_is_shared_keeps_its_route_and_its_version() -> None:
    two_versions("ruled", options=SHARED)
    rule("ruled")
    for n in range(10):
        first, second = submit_to("ruled", n), submit_to("ruled", n)
        assert first.version == second.version
        assert [route.arm for route in map(route_of, (first, second)) if route] == [
            "candidate" if first.version == "2" else "stable"
        ] * 2
