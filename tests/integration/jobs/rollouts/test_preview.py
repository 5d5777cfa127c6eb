"""A preview says of each job what the same job then gets, and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from jobs.core.errors import MalformedRequestError, ResourceNotFoundError
from jobs.core.rollouts.rollout_requests import PreviewAsk, RulePreview
from jobs.core.submission.request import JobRequest
from jobs.models import Job, JobInput, Route
from jobs.payloads.file_storage import PayloadFiles
from jobs.services.rollouts.preview import PreviewedJobs, preview
from jobs.services.rollouts.previews import stored_asks
from jobs.services.submission.submit import submit_job, submit_jobs
from jobs.services.submission.submitted import Submitted
from models_registry.core.registry_errors import ModelNotFoundError, RuleError
from models_registry.models import Rule
from models_registry.services import move_alias
from tests.support import payload_keys
from tests.support.factories import make_version
from tests.support.rules import rule, two_versions
from tests.support.submit import owner, submit_to

HALF: dict[str, Any] = {"stable": "1", "candidate": "2", "share": 0.5, "salt": "s"}
STICKY = ("input", "client", "metadata:/user")
BETA = {"when": {"properties": {"metadata": {"required": ["beta"]}}}, "arm": "candidate"}


@pytest.fixture(autouse=True)
def _versions(db: str) -> None:
    two_versions()


def previewed(document: dict[str, Any], *, alias: str = "default", **asked: Any) -> PreviewedJobs:
    return preview(model="echo", asked=RulePreview(document=document, alias=alias, **asked), client="tests")


def asks() -> list[PreviewAsk]:
    """Return jobs that differ in all that a rule may look at."""
    metadata: list[Any] = [None, {}, {"user": 1}, {"user": 1.0}, {"user": "1"}, {"beta": True}]
    parameters: list[Any] = [None, {}, {"p": [1, 2.5, None]}]
    values: list[Any] = [1, 1.0, "ä", {"b": 1, "a": [2]}, None]
    return [
        PreviewAsk(input=value, client=client, priority=priority, metadata=about, parameters=given)
        for value, about, given in product(values, metadata, parameters)
        for client, priority in (("tests", 4), ("olga", 9))
    ]


def submitted(ask: PreviewAsk) -> Submitted:
    fields = {name: getattr(ask, name) for name in ("input", "priority", "metadata", "parameters")}
    return submit_job(owner=owner(ask.client or "tests"), request=JobRequest(model="echo", **fields))


@pytest.mark.parametrize("sticky", STICKY)
def test_described_and_stored_jobs_get_byte_for_byte_what_was_previewed(sticky: str) -> None:
    owner("olga")
    owner("tests")
    document = HALF | {"share": 0.3, "baseline": True, "sticky": sticky, "cohorts": [BETA]}
    described = asks()
    seen = previewed(document, asks=described)
    assert not Rule.objects.exists()
    rule(**seen.document)
    jobs = [submitted(ask) for ask in described]
    routes = {route.pk: route for route in Route.objects.filter(pk__in=[job.id for job in jobs])}
    got = [(job.version, routes[job.id].arm) for job in jobs]
    assert [(decision.version, decision.arm) for decision in seen.decisions] == got
    arms = {"candidate", "stable"} if sticky == "client" else {"candidate", "baseline", "stable"}
    assert {arm for _, arm in got} == arms
    stored = previewed(seen.document, last=10_000)
    assert (stored.total, stored.gone) == (len(jobs), 0)
    assert (stored.by_arm, stored.by_version) == (seen.by_arm, seen.by_version)
    by_job = {job.id: pair for job, pair in zip(jobs, got, strict=True)}
    assert len(stored.decisions) == 100
    for decision in stored.decisions:
        assert decision.job is not None
        assert (decision.version, decision.arm) == by_job[decision.job]


def test_jobs_that_are_drawn_by_themselves_keep_what_they_drew() -> None:
    rule(sticky="job")
    jobs = [submit_to("echo", 1) for _ in range(20)]
    stored = previewed(HALF | {"sticky": "job"}, last=100)
    assert {decision.job: decision.version for decision in stored.decisions} == {
        job.id: job.version for job in jobs
    }


def test_a_preview_of_jobs_from_before_any_rule_is_what_they_get_when_they_come_again() -> None:
    before = [submit_to("echo", n) for n in range(30)]
    seen = previewed({"stable": "1", "candidate": "2", "share": 0.4}, last=30)
    assert seen.document["salt"]
    rule(**seen.document)
    versions = {decision.job: decision.version for decision in seen.decisions}
    assert [versions[job.id] for job in before] == [submit_to("echo", n).version for n in range(30)]


def test_only_jobs_of_the_alias_count_newest_first_and_as_many_as_were_asked_for() -> None:
    make_version("other")
    move_alias(name="echo", alias="slow", version="1")
    mine = [submit_to("echo", n) for n in range(5)]
    submit_to("other", 1)
    rule(share=1.0)
    mine += [submit_to("echo@default", 7), submit_to("echo", 8)]
    submit_to("echo:2", 9)
    rule(alias="slow")
    submit_to("echo@slow", 10)
    seen = previewed(HALF, last=100)
    assert [decision.job for decision in seen.decisions] == [job.id for job in reversed(mine)]
    assert [decision.job for decision in previewed(HALF, last=3).decisions] == [
        job.id for job in reversed(mine[-3:])
    ]
    rule(stable="2", candidate="1")
    assert previewed(HALF, last=100).total == len(mine) + 1  # the pinned one may have named the alias


def test_jobs_whose_input_is_gone_are_counted(tmp_path: Path) -> None:
    jobs = [submit_to("echo", n) for n in range(6)]
    JobInput.objects.filter(pk__in=[job.id for job in jobs[:2]]).delete()
    seen = previewed(HALF, last=100)
    assert (seen.total, seen.gone) == (4, 2)


def test_inputs_are_looked_for_in_chunks_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_asks, "_SCANNED", 4)
    monkeypatch.setattr(stored_asks, "_READ", 3)
    jobs = [submit_to("echo", n) for n in range(13)]
    assert previewed(HALF, last=11).total == 11
    seen = previewed(HALF, last=100)
    assert [decision.job for decision in seen.decisions] == [job.id for job in reversed(jobs)]
    monkeypatch.setattr(stored_asks, "MOST_SCANNED", 8)
    assert previewed(HALF, last=100).total == 8


def test_large_and_sealed_inputs_are_previewed_as_they_are_routed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    payload_keys.use(monkeypatch, payload_keys.OLD)
    monkeypatch.setattr("jobs.payloads.object_store.storage", lambda: PayloadFiles(location=tmp_path))
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, claim_check_bytes=20))
    make_version("secret", "1", options={"encrypt": True})
    make_version("secret", "2", options={"encrypt": True})
    rule("secret")
    rule("echo")
    for model in ("echo", "secret"):
        requests = [
            JobRequest(model=model, input={"text": "x" * n}, parameters={"n": 1}, metadata={"m": 1})
            for n in range(1, 30)
        ]
        outcomes = submit_jobs(owner=owner(), requests=requests)
        jobs = [outcome for outcome in outcomes if isinstance(outcome, Submitted)]
        asked = RulePreview(document=HALF, last=100)
        seen = preview(model=model, asked=asked, client="tests")
        assert {decision.job: decision.version for decision in seen.decisions} == {
            job.id: job.version for job in jobs
        }
        assert {job.version for job in jobs} == {"1", "2"}
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        path.unlink()
    lost = preview(model="secret", asked=RulePreview(document=HALF, last=100), client="tests")
    assert (lost.total, lost.gone > 0, lost.total + lost.gone) == (29 - lost.gone, True, 29)
    # A large input in clear is known by the hash in its row.
    assert previewed(HALF, last=100).total == 29


@pytest.mark.parametrize(
    ("document", "ask", "error"),
    [
        ({"stable": "1", "candidate": "9"}, {}, ModelNotFoundError),
        (HALF | {"share": 2}, {}, RuleError),
        (HALF, {"client": "nobody"}, ResourceNotFoundError),
        (HALF, {"client": "no\0body"}, ResourceNotFoundError),
        (HALF, {"input": {"$upload": "x"}}, MalformedRequestError),
        (HALF, {"input": float("nan")}, MalformedRequestError),
    ],
)
def test_what_cannot_be_previewed_is_refused(document: Any, ask: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        previewed(document, asks=[PreviewAsk(**ask)])
    with pytest.raises(ModelNotFoundError):
        previewed(HALF, alias="nowhere", last=5)
    assert not Job.objects.exists()
