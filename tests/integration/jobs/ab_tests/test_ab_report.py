"""The report of an A/B test from rows: who got what, what they said, what it cost; and over the API."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client

from jobs.core.ab_tests.feedback_request import LARGEST_VALUE
from jobs.core.errors import NoAbTestError, ResourceNotFoundError
from jobs.core.states import State
from jobs.core.submission.request import JobRequest
from jobs.models import Feedback, Job, Route
from jobs.services.ab_tests.ab_page import ab_page
from jobs.services.ab_tests.read_ab_report import read_ab_report
from jobs.services.access.tokens import create_token
from jobs.services.circuits.operate import open_by_hand
from jobs.services.circuits.reads import forget_circuits
from jobs.services.lifecycle.replay import replay_job
from jobs.services.reads.job_routes import job_route
from jobs.services.submission.submit import submit_jobs
from jobs.services.submission.submitted import Submitted
from models_registry import selectors
from models_registry.models import ModelVersion, Rule
from tests.support.ab_tests import HALVES, ab_rule, arms, expose, report, run, say, send_to_both_arms
from tests.support.rules import rule
from tests.support.submit import owner, submit_to


@pytest.fixture
def put(db: str) -> Rule:
    return ab_rule(sticky="client")


@pytest.fixture
def one(put: Rule) -> ModelVersion:
    return ModelVersion.objects.get(version="1")


@pytest.fixture
def two(put: Rule) -> ModelVersion:
    return ModelVersion.objects.get(version="2")


def test_jobs_of_one_call_get_both_arms_and_each_has_one_route_with_its_version(db: str) -> None:
    put = ab_rule()
    requests = [JobRequest(model="echo", input=n) for n in range(200)]
    outcomes = submit_jobs(owner=owner(), requests=requests)
    assert all(isinstance(outcome, Submitted) for outcome in outcomes)
    routes = list(Route.objects.select_related("job"))
    assert len(routes) == 200
    assert {(route.rule, route.arm, route.counted) for route in routes} == {(put.pk, "ab", False)}
    assert all(route.version == route.job.version_id for route in routes)
    shares = Counter(route.version for route in routes)
    assert min(shares.values()) > 60
    shown = arms(put)
    assert {version: arm.exposed for version, arm in shown.items()} == {
        row.version: shares[row.pk] for row in ModelVersion.objects.all()
    }
    assert report(put).valid


def test_what_no_arm_has_gets_the_stable_version_and_is_no_part_of_the_test(db: str) -> None:
    put = ab_rule(sticky="job", arms=[{"version": "1", "share": 0.1}, {"version": "2", "share": 0.1}])
    submit_jobs(owner=owner(), requests=[JobRequest(model="echo", input=n) for n in range(300)])
    found = Counter(Route.objects.values_list("arm", flat=True))
    assert found["ab"] + found["stable"] == 300
    assert found["stable"] > 200
    assert sum(arm.exposed for arm in report(put).arms) == found["ab"]


def test_the_arms_get_their_shares_of_each_sticky_key(db: str) -> None:
    put = ab_rule(sticky="client", arms=[{"version": "1", "share": 0.8}, {"version": "2", "share": 0.2}])
    for number in range(60):
        submit_jobs(owner=owner(f"c{number}"), requests=[JobRequest(model="echo", input=n) for n in range(3)])
    shown = report(put)
    assert sum(arm.exposed for arm in shown.arms) == 180
    assert sum(arm.keys for arm in shown.arms) == 60
    assert shown.valid
    assert shown.arms[0].keys > shown.arms[1].keys


def test_values_are_averaged_by_key_before_they_are_compared(
    put: Rule, one: ModelVersion, two: ModelVersion
) -> None:
    """A client with fifty jobs is one value, as one with two jobs is."""
    say(expose(put, one, [7] * 50 + [8] * 2), [1.0] * 50 + [0.0] * 2)
    say(expose(put, two, [9]), [0.25])
    (named,) = report(put).feedback
    first, second = named.arms
    assert (first.jobs, first.keys, first.mean) == (52, 2, 0.5)
    assert (second.jobs, second.keys, second.mean) == (1, 1, 0.25)
    assert second.difference is not None
    assert (second.difference.difference, second.difference.low) == (-0.25, None)


def test_a_planted_difference_is_found_and_none_where_there_is_none(
    put: Rule, one: ModelVersion, two: ModelVersion
) -> None:
    chance = random.Random(4)
    for version, likes, keys in ((one, 0.3, range(400)), (two, 0.6, range(400, 800))):
        jobs = expose(put, version, keys)
        say(jobs, [float(chance.random() < likes) for _ in jobs])
        say(jobs, [float(chance.random() < 0.5) for _ in jobs], "other")
    shown = report(put)
    certain = {row.name: row.arms[1].difference.certain for row in shown.feedback if row.arms[1].difference}
    assert certain == {"liked": True, "other": False}
    assert "liked of 2 is higher than of 1 by" in shown.sentence
    assert "other" not in shown.sentence
    assert [arm.with_feedback for arm in shown.arms] == [400, 400]


@pytest.mark.parametrize("keys", [range(1), range(2), range(40)])
def test_numbers_that_are_too_large_and_stored_before_leave_a_report_readable(
    put: Rule, one: ModelVersion, keys: range
) -> None:
    """Squares of larger numbers are infinite, and Postgres refuses to compute them."""
    for sign in (1, -1):
        jobs = expose(put, one, keys)
        Feedback.objects.bulk_create(Feedback(job=job, name="stars", value=sign * 1e200) for job in jobs)
        say(jobs, [sign * LARGEST_VALUE for _ in jobs])
    shown = report(put)
    assert [named.name for named in shown.feedback] == ["liked"]
    assert shown.feedback[0].arms[0].jobs == 2 * len(keys)
    assert ab_page(shown)


def test_labels_are_counted_by_version(put: Rule, one: ModelVersion, two: ModelVersion) -> None:
    say(expose(put, one, range(3)), ["cat", "cat", "dog"], "seen")
    say(expose(put, two, range(10, 12)), ["cat", "cow"], "seen")
    (named,) = report(put).feedback
    assert named.labels == {"cat": {"1": 2, "2": 1}, "dog": {"1": 1}, "cow": {"2": 1}}
    assert [(arm.jobs, arm.mean) for arm in named.arms] == [(0, None), (0, None)]


def test_ends_errors_latency_and_what_runs_cost(put: Rule, one: ModelVersion, two: ModelVersion) -> None:
    good = expose(put, one, range(8))
    expose(put, one, range(20, 22), state=State.DEAD)
    expose(put, one, [30], state=State.CANCELLED)
    expose(put, one, [31], state=State.QUEUED)
    Job.objects.filter(state=State.SUCCEEDED).update(
        finished_at=Now(), created_at=Now() - timedelta(seconds=2)
    )
    other = expose(put, two, [99])
    run(one, [*good[:4], *other], ran_s=1.0)
    run(one, good[:2], ran_s=0.5)  # an attempt more costs more
    run(two, other, ran_s=0.25)
    shown = arms(put)["1"]
    assert (shown.exposed, shown.finished, shown.answered, shown.failed) == (12, 11, 8, 2)
    assert shown.error_rate is not None
    assert shown.error_rate.rate == pytest.approx(0.2)
    assert shown.p95_s == pytest.approx(2.0)
    assert shown.device_s_per_job == pytest.approx((4 / 5 + 0.5) / 11)
    assert arms(put)["2"].device_s_per_job == pytest.approx(1 / 5 + 0.25)


def test_a_job_that_was_replayed_elsewhere_stays_where_it_was_given(
    put: Rule, one: ModelVersion, two: ModelVersion
) -> None:
    jobs = expose(put, one, range(4))
    Job.objects.filter(pk=jobs[0].pk).update(version=two)
    shown = arms(put)
    assert (shown["1"].exposed, shown["1"].moved, shown["2"].exposed) == (4, 1, 0)


def test_a_job_that_a_version_failed_stays_failed_however_often_it_is_replayed(
    put: Rule, one: ModelVersion
) -> None:
    """Replays in bulk after a bad hour would make the version that failed look well."""
    expose(put, one, range(6))
    for ended, key in ((State.DEAD, 10), (State.DEAD, 11), (State.CANCELLED, 12)):
        (job,) = [submit_to("echo:1", {"key": key}) for _ in range(1)]
        Job.objects.filter(pk=job.id).update(state=ended, finished_at=Now(), epoch=1)
        Route.objects.create(
            job_id=job.id, rule=put.pk, version=one.pk, arm="ab", key=key, counted=False, asked="echo"
        )
        if key != 11:
            replay_job(job_id=job.id, actor="olga", same_version=True)
            Job.objects.filter(pk=job.id).update(state=State.SUCCEEDED, finished_at=Now(), epoch=3)
    shown = arms(put)["1"]
    assert (shown.exposed, shown.answered, shown.failed) == (9, 7, 2)
    assert shown.error_rate is not None
    assert shown.error_rate.rate == pytest.approx(2 / 9)


def test_jobs_of_other_rules_and_of_no_arm_are_left_out(put: Rule, one: ModelVersion) -> None:
    expose(put, one, range(3))
    later = rule(candidate=None, share=0.0, arms=HALVES, sticky="client")
    assert later.document["salt"] == put.document["salt"]
    expose(later, one, range(5))
    submit_to("echo:1", 1)
    assert [arms(each)["1"].exposed for each in (put, later)] == [3, 5]
    assert report(put).until == later.at
    assert report(later).until is None


def test_only_the_first_jobs_are_counted_of_a_test_that_is_larger(
    put: Rule, one: ModelVersion, two: ModelVersion
) -> None:
    say(expose(put, one, range(6)), [1.0] * 6)
    say(expose(put, two, range(6, 10)), [1.0] * 4)
    shown = report(put, most=8)
    assert not shown.whole
    assert [arm.exposed for arm in shown.arms] == [6, 2]
    assert [arm.jobs for arm in shown.feedback[0].arms] == [6, 2]
    assert report(put).whole


@pytest.mark.parametrize("sticky", ["job", "input", "client", "metadata:/user"])
def test_an_arm_whose_circuit_is_open_makes_the_test_invalid(db: str, sticky: str) -> None:
    """Its jobs stay exposed to it, whatever version answers them, and whichever key they share."""
    put = ab_rule(sticky=sticky)
    send_to_both_arms()
    before = report(put)
    assert before.valid
    open_by_hand(version=selectors.resolve("echo:2"), actor="olga")
    forget_circuits()
    send_to_both_arms()
    assert set(Route.objects.values_list("arm", flat=True)) == {"ab"}
    shown = report(put)
    one, two = shown.arms
    assert (one.moved, two.moved) == (0, two.exposed - before.arms[1].exposed)
    assert two.moved
    assert not shown.valid
    assert shown.sentence.startswith("INVALID")
    assert f"{two.moved:,} of {two.exposed:,} jobs of 2 were answered by another version" in shown.sentence


def test_a_job_of_an_open_circuit_says_which_arm_it_was_given_to(db: str) -> None:
    ab_rule(sticky="job", arms=[{"version": "1", "share": 0.0}, {"version": "2", "share": 1.0}])
    open_by_hand(version=selectors.resolve("echo:2"), actor="olga")
    forget_circuits()
    job = submit_to("echo", 1)
    assert job.version == "1"
    shown = job_route(job.id)
    assert shown is not None
    assert (shown.arm, shown.routed, shown.rule) == ("ab", "2", 1)
    assert shown.sentence.endswith("as arm of an A/B test by rule 1, runs on echo:1 now.")


def test_a_rule_that_is_not_there_or_has_no_arms_has_no_report(put: Rule) -> None:
    plain = rule(candidate=None, share=0.0)
    with pytest.raises(NoAbTestError):
        report(plain)
    for alias, number in (("default", 99), ("other", 1), ("a\0", 1), ("default", 2**40)):
        with pytest.raises(ResourceNotFoundError):
            read_ab_report(model="echo", alias=alias, number=number)


def app(*scopes: str, client: str = "operators") -> Client:
    token = create_token(client=client, scopes=list(scopes))
    return Client(headers={"Authorization": f"Bearer {token}"})


def test_the_report_over_the_api_and_as_a_page(put: Rule, one: ModelVersion, two: ModelVersion) -> None:
    chance = random.Random(4)
    for version, keys in ((one, range(100)), (two, range(100, 200))):
        jobs = expose(put, version, keys)
        say(jobs, [chance.random() for _ in jobs])
        say(jobs[:2], ["<script>", "cat"], "seen")
    operators = app("roll_out")
    place = f"/api/v1/models/echo/rules/{put.number}/report"
    shown = operators.get(place)
    assert shown.status_code == 200, shown.content
    body = json.loads(shown.content)
    assert (body["rule"], body["valid"], [arm["exposed"] for arm in body["arms"]]) == (
        put.number, True, [100, 100],
    )  # fmt: skip
    page = operators.get(f"{place}.html")
    assert page.status_code == 200
    text = page.content.decode()
    assert text.count("data:image/png;base64,") == 3
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert "default-src 'none'" in page["Content-Security-Policy"]


def test_who_may_not_see_a_report_and_what_is_none(put: Rule) -> None:
    place = f"/api/v1/models/echo/rules/{put.number}/report"
    assert app("submit", "read").get(place).status_code == 403
    operators = app("roll_out")
    plain = rule(candidate=None, share=0.0)
    for path, status, code in (
        (f"/api/v1/models/echo/rules/{plain.number}/report", 409, "no_ab_test"),
        ("/api/v1/models/echo/rules/99/report.html", 404, "not_found"),
        ("/api/v1/models/none/rules/1/report", 404, "not_found"),
        (f"{place}?alias=other", 404, "not_found"),
    ):
        answer = operators.get(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
