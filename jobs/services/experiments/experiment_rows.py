"""Writes and reads experiments; one that is concluded takes no measurements but reproductions."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import transaction
from django.db.models.functions import Now

from jobs.core.errors import ExperimentStateError, UnknownExperimentError
from jobs.core.experiments.experiment_verdict import (
    ExperimentVerdict,
    Judged,
    differing_settings,
    judged,
    sentence_of,
    verdict_on,
)
from jobs.core.loadtest.load_report import LoadReport
from jobs.models import Experiment, Measurement

Differing = dict[str, tuple[Any, Any]]
BASELINE, CANDIDATE, REPRODUCTION = "baseline", "candidate", "reproduction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a measurement stands on: the commit, the platform's settings, and who measures."""

    revision: str
    settings: dict[str, Any]
    actor: str


@dataclass(frozen=True, slots=True)
class Reproduced:
    """Whether a new run agrees with the one on record, in words, and which settings differ."""

    agrees: bool
    sentence: str
    differing: Differing


def start_experiment(
    *, hypothesis: str, expected: str, load: dict[str, Any], seed: int, ground: Ground
) -> Experiment:
    """Store a new experiment and return it."""
    return Experiment.objects.create(
        hypothesis=hypothesis,
        expected=expected,
        load=load,
        seed=seed,
        revision=ground.revision,
        settings=ground.settings,
        actor=ground.actor,
    )


def experiment_of(number: int) -> Experiment:
    """Return an experiment; UnknownExperimentError."""
    try:
        return Experiment.objects.get(pk=number)
    except Experiment.DoesNotExist:
        raise UnknownExperimentError(f"There is no experiment {number}.") from None


def store_measurement(*, experiment: int, arm: str, report: LoadReport, ground: Ground) -> Measurement:
    """Store a report; ExperimentStateError for an arm of a concluded experiment."""
    with transaction.atomic():
        row = _locked(experiment)
        if arm != REPRODUCTION:  # a person may have concluded it while the load ran
            check_open(row)
        return Measurement.objects.create(
            experiment=row,
            arm=arm,
            revision=ground.revision,
            settings=ground.settings,
            report=msgspec.to_builtins(report, str_keys=True),
            actor=ground.actor,
        )


def conclude_experiment(*, experiment: int) -> Experiment:
    """Give an experiment its verdict, by its newest baseline and candidate; ExperimentStateError.

    One that was invalid gets another.
    """
    with transaction.atomic():
        row = _locked(experiment)
        if is_final(row):
            raise ExperimentStateError(f"Experiment {experiment} is concluded: {row.verdict}.")
        result = _judged(_newest(row, BASELINE), _newest(row, CANDIDATE), row.seed)
        row.verdict, row.conclusion = verdict_on(row.expected, result).value, sentence_of(result)
        Experiment.objects.filter(pk=row.pk).update(
            verdict=row.verdict, conclusion=row.conclusion, concluded_at=Now()
        )
        return row


def reproduced(*, experiment: int, reproduction: Measurement) -> Reproduced:
    """Compare a reproduction with the candidate on record: same within the intervals is agreement."""
    row = experiment_of(experiment)
    candidate = _newest(row, CANDIDATE)
    result = _judged(candidate, reproduction, row.seed)
    return Reproduced(
        result.believable and result.word == "same", sentence_of(result), _differing(candidate, reproduction)
    )


def arms_differ(experiment: Experiment) -> Differing:
    """Return in what the newest baseline and candidate differ; ExperimentStateError without both."""
    return _differing(_newest(experiment, BASELINE), _newest(experiment, CANDIDATE))


def is_final(experiment: Experiment) -> bool:
    """Return whether it has its verdict; one that is invalid may be measured and concluded again."""
    return experiment.verdict not in {"", ExperimentVerdict.INVALID}


def check_open(experiment: Experiment) -> None:
    """Raise ExperimentStateError for an experiment that has its verdict."""
    if is_final(experiment):
        raise ExperimentStateError(f"Experiment {experiment.pk} is concluded: reproduce it.")


def check_reproducible(experiment: Experiment) -> None:
    """Raise ExperimentStateError unless there is a verdict that can be reproduced."""
    if not is_final(experiment):
        raise ExperimentStateError(
            f"Experiment {experiment.pk} is {experiment.verdict or 'open'}: there is no result to reproduce."
        )


def _locked(number: int) -> Experiment:
    experiment_of(number)
    return Experiment.objects.select_for_update().get(pk=number)


def _newest(experiment: Experiment, arm: str) -> Measurement:
    row = experiment.measurements.filter(arm=arm).order_by("-id").first()
    if row is None:
        raise ExperimentStateError(f"Experiment {experiment.pk} has no measurement of its {arm}.")
    return row


def distrusted(experiment: Experiment) -> dict[str, list[str]]:
    """Return for each arm whose newest run cannot be believed why not."""
    newest = {arm: _newest(experiment, arm).report for arm in (BASELINE, CANDIDATE)}
    return {arm: report["reasons"] for arm, report in newest.items() if report["verdict"] == "invalid"}


def _differing(first: Measurement, second: Measurement) -> Differing:
    """Return both values of each setting, and of the revision, that two measurements differ in."""
    return differing_settings(
        {"revision": first.revision, **first.settings}, {"revision": second.revision, **second.settings}
    )


def _judged(first: Measurement, second: Measurement, seed: int) -> Judged:
    before, after = (msgspec.convert(row.report, LoadReport, strict=False) for row in (first, second))
    return judged(before, after, random.Random(seed).random)  # noqa: S311  # it must be repeatable, not secret
