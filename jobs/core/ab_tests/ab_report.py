"""The report of an A/B test: each arm's figures, and how far it is from the reference. Pure.

What is drawn by chance is the sticky key, so a key is one value: the mean of what was said of its jobs, the
part of them that failed. Jobs of one client are alike, and counting each for itself finds differences that
are none. An interval of a difference holds at every look at once; that of a rate holds for one look.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isfinite

from msgspec import Struct, structs

from jobs.core.ab_tests.ab_counts import AbCounts, ExposedJobs, NamedValues, RefusedJobs
from jobs.core.ab_tests.ab_words import (
    ab_sentence,
    answered_elsewhere,
    difference_words,
    invalid_sentence,
    refused_words,
)
from models_registry.core.rollouts.statistics.mean_interval import MeanDifference, Moments, mean_difference
from models_registry.core.rollouts.statistics.rate_interval import rate_interval
from models_registry.core.rollouts.statistics.sample_ratio import INVALID_P, sample_ratio_p
from models_registry.core.routing.rule_document import PPM, RuleDocument

MOST_MOVED = 0.01  # of an arm's jobs: with more, its figures are those of another version too
MOST_REFUSED = 0.01  # of the time: how many jobs were refused in it is on no record


class AbRule(Struct, frozen=True):
    """The rule that a report is of, and for how long it was in force; `until` is None while it is."""

    model: str
    alias: str
    number: int
    document: RuleDocument
    since: datetime
    until: datetime | None


class ArmDifference(Struct, frozen=True):
    """An arm's mean less that of the reference; without bounds while there are too few values.

    `certain`: the bounds leave 0 out, and the test is valid.
    """

    difference: float
    low: float | None
    high: float | None
    certain: bool


class ErrorRate(Struct, frozen=True):
    """A rate from 0 to 1 with its 95 % interval, which holds for one look."""

    rate: float
    low: float
    high: float


class ArmReport(Struct, frozen=True):
    """What one arm has shown: counts of the jobs that the rule gave to it, and times in seconds.

    `device_s_per_job` is None where none has ended or the time is not known. `refused_s` is for how long
    circuits had its jobs refused, `refused_clients` how many clients had only their own refused.
    """

    version: str
    share: float
    is_reference: bool
    exposed: int
    keys: int
    finished: int
    answered: int
    failed: int
    moved: int
    with_feedback: int
    error_rate: ErrorRate | None
    error_difference: ArmDifference | None
    p95_s: float | None
    device_s_per_job: float | None
    refused_s: float
    refused_clients: int


class NamedArm(Struct, frozen=True):
    """The numbers of one name of feedback in one arm: of how many jobs and keys, and the mean over keys."""

    version: str
    jobs: int
    keys: int
    mean: float | None
    difference: ArmDifference | None


class NamedReport(Struct, frozen=True):
    """What clients said under one name; `labels` counts the jobs of each version by their text."""

    name: str
    arms: list[NamedArm]
    labels: dict[str, dict[str, int]]


class AbReport(Struct, frozen=True):
    """An A/B test so far. Not `valid`: it says nothing of versions.

    Then the arms did not get their shares, other versions answered more than MOST_MOVED of an arm's jobs, or
    its jobs were refused for more than MOST_REFUSED of the time.
    `sample_ratio_p` is how likely such counts of keys are by chance, None while there are too few.
    """

    model: str
    alias: str
    rule: int
    since: datetime
    until: datetime | None
    sticky: str
    reference: str
    valid: bool
    sample_ratio_p: float | None
    whole: bool
    sentence: str
    arms: list[ArmReport]
    feedback: list[NamedReport]

    @property
    def got_shares(self) -> bool:
        """Return whether the counts of keys are those of the shares, as far as chance goes."""
        return self.sample_ratio_p is None or self.sample_ratio_p >= INVALID_P


def ab_report(rule: AbRule, counts: AbCounts) -> AbReport:
    """Return the report of a rule with arms."""
    document = rule.document
    names = [arm.version for arm in document.arms]
    jobs = [counts.jobs.get(name, ExposedJobs()) for name in names]
    p = _sample_ratio([arm.keys for arm in jobs], [round(arm.share * PPM) for arm in document.arms])
    valid = (
        (p is None or p >= INVALID_P)
        and all(arm.moved <= MOST_MOVED * arm.exposed for arm in jobs)
        and all(arm.seconds <= MOST_REFUSED * counts.lasted_s for arm in counts.refused.values())
    )
    reference = document.stable if document.stable in names else names[0]
    arms = [
        _arm(name, arm.share, counts, reference, valid=valid)
        for name, arm in zip(names, document.arms, strict=True)
    ]
    feedback = [
        _named(name, names, counts, reference, valid=valid)
        for name in sorted({*counts.numbers, *counts.labels})
    ]
    report = AbReport(
        rule.model, rule.alias, rule.number, rule.since, rule.until, document.sticky, reference, valid, p,
        counts.is_whole, "", arms, feedback,
    )  # fmt: skip
    return _with_sentence(report, counts.lasted_s)


def _sample_ratio(keys: Sequence[int], shares: Sequence[int]) -> float | None:
    """Return the chance of such counts of keys, not of jobs: one client's thousand jobs are one draw."""
    return sample_ratio_p(keys, shares) if any(keys) and any(shares) else None


def _with_sentence(report: AbReport, lasted_s: float) -> AbReport:
    elsewhere = answered_elsewhere((arm.version, arm.moved, arm.exposed) for arm in report.arms)
    refused = refused_words(
        ((arm.version, arm.refused_s, arm.refused_clients) for arm in report.arms), lasted_s
    )
    if not report.valid:
        words = invalid_sentence(
            elsewhere, refused, None if report.got_shares else report.sample_ratio_p,
            is_moved=any(arm.moved > MOST_MOVED * arm.exposed for arm in report.arms),
        )  # fmt: skip
        return structs.replace(report, sentence=words)
    errors = [_ArmErrors(arm.version, arm.error_difference) for arm in report.arms]
    certain = list(difference_words("the error rate", report.reference, errors))
    for named in report.feedback:
        certain += difference_words(named.name, report.reference, named.arms)
    exposed, keys = (sum(getattr(arm, name) for arm in report.arms) for name in ("exposed", "keys"))
    least = min(arm.keys for arm in report.arms)
    sentence = ab_sentence(
        exposed=exposed, keys=keys, least_keys=least, sticky=report.sticky, certain=certain
    )
    buts = [f"But {remark}." for remark in (elsewhere, refused) if remark]
    return structs.replace(report, sentence=" ".join([sentence, *buts]))


class _ArmErrors(Struct, frozen=True):
    version: str
    difference: ArmDifference | None


def _arm(name: str, share: float, counts: AbCounts, reference: str, *, valid: bool) -> ArmReport:
    arm, other = (counts.jobs.get(one, ExposedJobs()) for one in (name, reference))
    refused = counts.refused.get(name, RefusedJobs())
    return ArmReport(
        name, share, name == reference, arm.exposed, arm.keys, arm.finished, arm.answered, arm.failed,
        arm.moved, arm.with_feedback, _rate(arm.errors),
        None if name == reference else _difference(arm.errors, other.errors, valid=valid),
        arm.p95_s, arm.device_s / arm.finished if arm.finished and arm.device_s is not None else None,
        refused.seconds, refused.clients,
    )  # fmt: skip


def _rate(errors: Moments) -> ErrorRate | None:
    """Return an error rate; a key counts as one draw, which makes the interval rather too wide."""
    if not errors.n:
        return None
    low, high = rate_interval(errors.mean * errors.n, errors.n)
    return ErrorRate(errors.mean, low, high)


def _named(
    name: str, versions: Sequence[str], counts: AbCounts, reference: str, *, valid: bool
) -> NamedReport:
    values = counts.numbers.get(name, {})
    nothing = NamedValues(0, Moments())
    other = values.get(reference, nothing).keys
    arms = list[NamedArm]()
    for version in versions:
        arm = values.get(version, nothing)
        difference = None if version == reference else _difference(arm.keys, other, valid=valid)
        arms.append(
            NamedArm(version, arm.jobs, arm.keys.n, arm.keys.mean if arm.keys.n else None, difference)
        )
    labels = {label: dict(by_version) for label, by_version in counts.labels.get(name, {}).items()}
    return NamedReport(name, arms, labels)


def _difference(one: Moments, other: Moments, *, valid: bool) -> ArmDifference | None:
    found: MeanDifference | None = mean_difference(one, other)
    if found is None:
        return None
    if not one.joined(other).squares:  # all values are equal, and how much they differ else is not known
        return ArmDifference(found.difference, None, None, certain=False)
    low, high = (bound if isfinite(bound) else None for bound in (found.low, found.high))
    return ArmDifference(found.difference, low, high, valid and found.is_certain)
