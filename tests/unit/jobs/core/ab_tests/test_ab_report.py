"""The report of an A/B test from its counts: shares, differences, and what it says when they are wrong."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import reduce

import pytest
from msgspec import structs

from jobs.core.ab_tests.ab_counts import AbCounts, ExposedJobs, NamedValues, RefusedJobs
from jobs.core.ab_tests.ab_report import AbReport, AbRule, ab_report
from models_registry.core.rollouts.statistics.mean_interval import ALPHA, Moments, mean_difference
from models_registry.core.routing.rule_document import ArmShare, RuleDocument

AT = datetime(2026, 1, 31, tzinfo=UTC)


def moments(values: list[float]) -> Moments:
    return reduce(Moments.with_value, values, Moments())


def report(
    jobs: Mapping[str, ExposedJobs],
    numbers: Mapping[str, Mapping[str, NamedValues]] | None = None,
    *,
    shares: tuple[tuple[str, float], ...] = (("1", 0.5), ("2", 0.5)),
    stable: str = "1",
    sticky: str = "client",
) -> AbReport:
    arms = tuple(ArmShare(version, share) for version, share in shares)
    rule = AbRule("echo", "default", 3, RuleDocument(stable=stable, arms=arms, sticky=sticky), AT, None)
    return ab_report(rule, AbCounts(jobs, numbers or {}, {}))


def refusing(
    jobs: Mapping[str, ExposedJobs],
    refused: Mapping[str, RefusedJobs],
    lasted_s: float,
    numbers: Mapping[str, Mapping[str, NamedValues]] | None = None,
) -> AbReport:
    """Return the report of a test of two halves whose arms had jobs refused."""
    arms = (ArmShare("1", 0.5), ArmShare("2", 0.5))
    rule = AbRule("echo", "default", 3, RuleDocument(stable="1", arms=arms), AT, None)
    return ab_report(rule, AbCounts(jobs, numbers or {}, {}, refused, lasted_s=lasted_s))


def arm(keys: int, *, failed: int = 0, errors: Moments | None = None) -> ExposedJobs:
    rates = [1.0] * failed + [0.0] * (keys - failed)
    return ExposedJobs(
        exposed=keys, keys=keys, finished=keys, answered=keys - failed, failed=failed,
        errors=errors or moments(rates), device_s=0.5 * keys,
    )  # fmt: skip


def liked(one: list[float], other: list[float]) -> dict[str, dict[str, NamedValues]]:
    return {"liked": {"1": NamedValues(len(one), moments(one)), "2": NamedValues(len(other), moments(other))}}


def test_a_test_without_jobs_says_so() -> None:
    empty = report({})
    assert (empty.valid, empty.sample_ratio_p, empty.sentence) == (True, None, "No job has met an arm yet.")
    assert [(one.exposed, one.error_rate, one.device_s_per_job) for one in empty.arms] == [
        (0, None, None)
    ] * 2


def test_the_stable_version_is_the_reference_where_it_is_an_arm_and_else_the_first() -> None:
    shares = (("2", 0.5), ("1", 0.5))
    assert report({}, shares=shares).reference == "1"
    assert report({}, shares=shares, stable="9").reference == "2"
    assert [one.is_reference for one in report({}, shares=shares).arms] == [False, True]


def test_a_clear_difference_is_named_with_its_bounds() -> None:
    found = report({"1": arm(2_000), "2": arm(2_000)}, liked([0.0, 1.0] * 500, [1.0, 1.0, 0.0, 1.0] * 250))
    (named,) = found.feedback
    difference = named.arms[1].difference
    assert named.arms[0].difference is None
    assert difference is not None
    assert difference.low is not None
    assert difference.high is not None
    assert 0.0 < difference.low < 0.25 < difference.high
    assert found.sentence == (
        f"4,000 jobs of 4,000 clients: liked of 2 is higher than of 1 by {difference.low:.3g} to"
        f" {difference.high:.3g}."
    )
    assert [one.device_s_per_job for one in found.arms] == [0.5, 0.5]


def test_a_difference_of_error_rates_is_named_too() -> None:
    found = report({"1": arm(5_000, failed=500), "2": arm(5_000, failed=50)})
    assert "the error rate of 2 is lower than of 1 by" in found.sentence
    assert found.arms[0].error_rate is not None
    assert found.arms[0].error_rate.low < 0.1 < found.arms[0].error_rate.high


def test_where_nothing_has_failed_yet_the_error_rates_have_no_bounds() -> None:
    difference = report({"1": arm(500), "2": arm(500)}).arms[1].error_difference
    assert difference is not None
    assert (difference.difference, difference.low, difference.high, difference.certain) == (
        0.0, None, None, False,
    )  # fmt: skip


def test_a_few_keys_say_nothing_however_many_jobs_they_have() -> None:
    few = ExposedJobs(exposed=9_000, keys=3, finished=9_000, answered=9_000, errors=moments([0.0] * 3))
    found = report({"1": few, "2": few}, liked([0.0] * 3, [1.0] * 3))
    difference = found.feedback[0].arms[1].difference
    assert difference is not None
    assert (difference.difference, difference.low, difference.high, difference.certain) == (
        1.0, None, None, False,
    )  # fmt: skip
    assert "fewer than 20 clients says nothing yet" in found.sentence


def test_arms_that_did_not_get_their_shares_make_all_of_it_invalid() -> None:
    values = liked([0.0, 1.0] * 500, [1.0] * 1_000)
    fair, lost = (
        report({"1": arm(2_000), "2": arm(2_000)}, values),
        report({"1": arm(2_000), "2": arm(1_700)}, values),
    )
    assert fair.valid
    assert fair.feedback[0].arms[1].difference is not None
    assert fair.feedback[0].arms[1].difference.certain
    assert not lost.valid
    assert lost.sample_ratio_p is not None
    assert lost.sample_ratio_p < 0.001
    assert lost.sentence.startswith("INVALID: the arms did not get their shares")
    assert lost.feedback[0].arms[1].difference is not None
    assert not lost.feedback[0].arms[1].difference.certain


@pytest.mark.parametrize(("moved", "valid"), [(0, True), (20, True), (21, False)])
def test_a_test_of_which_other_versions_answered_a_part_says_so(moved: int, *, valid: bool) -> None:
    jobs = {"1": arm(2_000), "2": structs.replace(arm(2_000), moved=moved)}
    found = report(jobs, liked([0.0, 1.0] * 500, [1.0] * 1_000))
    assert found.feedback[0].arms[1].difference is not None
    assert (found.valid, found.feedback[0].arms[1].difference.certain, found.got_shares) == (
        valid,
        valid,
        True,
    )
    words = f"{moved} of 2,000 jobs of 2 were answered by another version"
    assert (words in found.sentence) is (moved > 0)
    assert found.sentence.startswith("INVALID") is not valid


@pytest.mark.parametrize(("seconds", "valid"), [(0.0, True), (36.0, True), (36.1, False), (3_600.0, False)])
def test_a_test_of_which_a_circuit_had_jobs_refused_says_so(seconds: float, *, valid: bool) -> None:
    jobs = {"1": arm(2_000), "2": arm(2_000)}
    values = liked([0.0, 1.0] * 500, [1.0] * 1_000)
    refused = {"1": RefusedJobs(seconds)} if seconds else {}
    found = refusing(jobs, refused, 3_600.0, values)
    difference = found.feedback[0].arms[1].difference
    assert difference is not None
    assert (found.valid, difference.certain, found.got_shares) == (valid, valid, True)
    assert [one.refused_s for one in found.arms] == [seconds, 0.0]
    words = f"jobs of 1 were refused for {seconds:,.0f} of 3,600 s, because its circuit was open"
    assert (words in found.sentence) is (seconds > 0)
    assert found.sentence.startswith(f"INVALID: {words}") is not valid


def test_clients_with_circuits_of_their_own_are_counted_beside_a_valid_test() -> None:
    jobs = {"1": arm(2_000), "2": arm(2_000)}
    found = refusing(jobs, {"1": RefusedJobs(0.0, 3)}, 60.0)
    assert (found.valid, found.arms[0].refused_clients) == (True, 3)
    assert "But jobs of 3 clients at 1 were refused, because their own circuits were open" in found.sentence


def test_what_is_wrong_beside_the_shares_is_said_too() -> None:
    refused = {"1": RefusedJobs(30.0)}
    lost = refusing({"1": arm(2_000), "2": arm(1_700)}, refused, 60.0)
    assert "were lost: jobs of 1 were refused for 30 of 60 s" in lost.sentence
    moved = refusing({"1": arm(2_000), "2": structs.replace(arm(2_000), moved=900)}, refused, 60.0)
    assert moved.sentence.startswith("INVALID: 900 of 2,000 jobs of 2 were answered by another version")
    assert "And jobs of 1 were refused for 30 of 60 s" in moved.sentence


def test_a_time_on_devices_that_is_not_known_is_none() -> None:
    found = report({"1": structs.replace(arm(50), device_s=None), "2": arm(50)})
    assert [one.device_s_per_job for one in found.arms] == [None, 0.5]


def test_the_check_is_of_keys_and_not_of_jobs() -> None:
    """One busy client is one draw: its jobs must not make a test invalid."""
    busy = ExposedJobs(
        exposed=50_000, keys=1_000, finished=50_000, answered=50_000, errors=moments([0.0] * 1_000)
    )
    assert report({"1": busy, "2": arm(1_000)}).valid


def test_unequal_shares_are_held_against_the_counts() -> None:
    shares = (("1", 0.8), ("2", 0.1))
    assert report({"1": arm(8_000), "2": arm(1_000)}, shares=shares).valid
    assert not report({"1": arm(8_000), "2": arm(8_000)}, shares=shares).valid


def test_arms_whose_shares_are_nothing_get_nothing() -> None:
    assert report({}, shares=(("1", 0.0), ("2", 0.0))).sample_ratio_p is None
    assert not report({"1": arm(500), "2": arm(9)}, shares=(("1", 1.0), ("2", 0.0))).valid


RUNS = 200


@pytest.mark.parametrize(("clients", "spread"), [(60, 1.0), (400, 0.3)])
def test_without_a_difference_correlated_clients_mislead_in_one_of_twenty_at_most(
    clients: int, spread: float
) -> None:
    """Each client has a taste of its own, and some send a hundred times as much as others."""
    runs = [misled(random.Random(seed), clients, spread) for seed in range(RUNS)]
    assert sum(keys for keys, _ in runs) <= ALPHA * RUNS
    assert sum(jobs for _, jobs in runs) > 3 * ALPHA * RUNS, "jobs as if they were independent"


def misled(rng: random.Random, clients: int, spread: float) -> tuple[bool, bool]:
    """Return whether an interval ever left 0 out in a run without a difference: by keys, and by jobs."""
    taste = [rng.gauss(0.0, spread) for _ in range(clients)]
    busy = [1.0 / (1 + rank) for rank in range(clients)]  # Zipf
    arms = [rng.random() < 0.5 for _ in range(clients)]
    of_client = dict[int, Moments]()
    of_arm = {False: Moments(), True: Moments()}
    keys = jobs = False
    for _ in range(20):
        for client in rng.choices(range(clients), busy, k=75):
            value = taste[client] + rng.gauss(0.0, 0.5)
            of_client[client] = of_client.get(client, Moments()).with_value(value)
            of_arm[arms[client]] = of_arm[arms[client]].with_value(value)
        ours, theirs = (
            moments([one.mean for client, one in of_client.items() if arms[client] is arm])
            for arm in (True, False)
        )
        keys |= certain(ours, theirs)
        jobs |= certain(of_arm[True], of_arm[False])
    return keys, jobs


def certain(one: Moments, other: Moments) -> bool:
    found = mean_difference(one, other)
    return found is not None and found.is_certain
