"""Backtests on real models: what they count, what they name, and what they never keep."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from jobs.core.errors import MalformedRequestError, ResourceNotFoundError
from jobs.core.states import State
from jobs.core.trials.trial_specs import BacktestRequest, parse_backtest
from jobs.models import Job, JobInput
from jobs.models.rollouts.version_trial import Trial, TrialState
from jobs.services.trials.backtests import start_backtest
from models_registry.core.agreement.option import Agreement
from models_registry.core.registry_errors import (
    AgreementError,
    ModelNotFoundError,
    NoStoredInputsError,
    TrialRefusedError,
    VersionStateError,
)
from models_registry.models import ModelVersion
from tests.support import digit_models
from tests.support.factories import make_version
from tests.support.trials import TrialWorker, stored_jobs

LABEL = Agreement(by="label", at="/digit")


def digits(version: str, entry_point: str, **fields: Any) -> ModelVersion:
    return make_version(
        "digits", version, artifact=entry_point, input_schema=digit_models.INPUT_SCHEMA,
        output_schema=digit_models.OUTPUT_SCHEMA, **fields,
    )  # fmt: skip


def start(model: str = "digits", /, **asked: Any) -> int:
    return start_backtest(model=model, asked=BacktestRequest(**asked), actor="olga")


@pytest.fixture
def worker(db: str) -> TrialWorker:
    return TrialWorker("digits", entry_points=digit_models.ENTRY_POINTS)


def test_the_two_labels_that_a_version_exchanges_are_named(
    worker: TrialWorker, session: sa.Connection
) -> None:
    heavy = digits("1", digit_models.HEAVY)
    digits("2", digit_models.EXCHANGED)
    inputs = digit_models.unseen()[:400]
    jobs = stored_jobs(heavy, [value for value, _ in inputs])
    trial = worker.run(session, start(version="2", agreement=LABEL))
    assert trial.state == TrialState.DONE, trial.outcome
    report = trial.report
    assert report is not None
    (exchanged,) = report["labels"]["exchanged"]
    threes, eights = (sum(label == digit for _, label in inputs) for digit in (3, 8))
    assert exchanged.startswith("The labels 3 and 8 are exchanged: ")
    assert exchanged in trial.outcome
    answered = report["labels"]["between"]
    three, eight = answered["labels"].index("3"), answered["labels"].index("8")
    assert abs(answered["rows"][three][eight] - threes) < 10
    assert abs(answered["rows"][eight][three] - eights) < 10
    assert report["jobs"] == {"ran": 400, "cancelled": 0, "gone": 0, "unreadable": 0, "unknown": 0}
    assert len(report["differences"]) == 20
    moved = {str(job.id) for job, (_, label) in zip(jobs, inputs, strict=True) if label in {3, 8}}
    assert len([row for row in report["differences"] if row["job"] in moved]) >= 18
    assert [row["size"] for row in report["service_times"]][:3] == [1, 8, 32]


def test_true_labels_tell_the_light_version_from_the_heavy_one(
    worker: TrialWorker, session: sa.Connection
) -> None:
    light = digits("1", digit_models.LIGHT)
    digits("2", digit_models.HEAVY)
    inputs = digit_models.unseen()[:300]
    jobs = stored_jobs(light, [value for value, _ in inputs])
    labels = {str(job.id).upper(): str(label) for job, (_, label) in zip(jobs, inputs, strict=True)}
    labels["00000000-0000-7000-8000-000000000000"] = "3"
    trial = worker.run(session, start(version="digits:2", labels=labels, agreement=LABEL))
    report = trial.report
    assert report is not None, trial.outcome
    assert report["labels"]["candidate"]["accuracy"] > report["labels"]["stable"]["accuracy"] > 0.85
    assert report["labels"]["exchanged"] == []
    assert report["jobs"]["unknown"] == 1
    assert "labels" not in trial.spec


def test_payloads_that_are_gone_and_cancelled_jobs_are_counted(
    worker: TrialWorker, session: sa.Connection
) -> None:
    heavy = digits("1", digit_models.HEAVY)
    values = [value for value, _ in digit_models.unseen()[:40]]
    stored_jobs(heavy, values[:20])
    stored_jobs(heavy, values[20:25], state=State.CANCELLED)
    gone = stored_jobs(heavy, values[25:32])
    JobInput.objects.filter(job__in=gone).delete()
    garbled = stored_jobs(heavy, [{"pixels": "no"}])
    trial = worker.run(session, start(version="1"))
    assert trial.report is not None, trial.outcome
    assert trial.report["jobs"] == {"ran": 21, "cancelled": 5, "gone": 7, "unreadable": 0, "unknown": 0}
    assert trial.report["failures"]["candidate"] == {"invalid: invalid_input": 1}
    assert trial.report["agreement"]["compared"] == 0, garbled


def test_the_sample_is_the_same_at_each_call(worker: TrialWorker, session: sa.Connection) -> None:
    heavy = digits("1", digit_models.HEAVY)
    digits("2", digit_models.EXCHANGED)
    stored_jobs(heavy, [value for value, _ in digit_models.unseen()[:200]])
    reports = [worker.run(session, start(version="2", most=50, agreement=LABEL)).report for _ in range(2)]
    differing = [[row["job"] for row in report["differences"]] for report in reports if report]
    assert differing[0] == differing[1] != []
    assert [report["jobs"]["ran"] for report in reports if report] == [50, 50]


def test_a_report_holds_no_part_of_an_input(worker: TrialWorker, session: sa.Connection) -> None:
    version = make_version("faulty", "1", artifact="models_registry.loaders.builtin:faulty")
    secret = "hush-4711"
    stored_jobs(version, [{"raise": secret, "text": secret}, {"text": secret}])
    worker = TrialWorker("faulty", node="gpu-1@tests")
    trial = worker.run(session, start("faulty", version="1"))
    kept = json.dumps([trial.report, trial.progress, trial.outcome, trial.spec])
    assert trial.state == TrialState.DONE
    assert secret not in kept


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"version": "9"}, ModelNotFoundError),
        ({"version": "other:1"}, ModelNotFoundError),
        ({"version": "2", "against": "2"}, TrialRefusedError),
        ({"version": "2", "agreement": Agreement(by="label", at="/nothing")}, AgreementError),
        ({"version": "2", "agreement": Agreement(by="entry_point")}, AgreementError),
        ({"version": "2", "labels": {"00000000-0000-7000-8000-000000000000": "3"}}, AgreementError),
        ({"version": "2"}, NoStoredInputsError),
        ({"version": "3"}, VersionStateError),
    ],
)
def test_what_cannot_be_run_is_refused_with_a_code(
    db: str, asked: dict[str, Any], error: type[Exception]
) -> None:
    digits("1", digit_models.HEAVY)
    digits("2", digit_models.EXCHANGED)
    digits("3", digit_models.HEAVY, state="blocked")
    with pytest.raises(error):
        start(**asked)
    assert not Trial.objects.exists()


def test_a_filter_names_only_what_exists(db: str) -> None:
    heavy = digits("1", digit_models.HEAVY)
    stored_jobs(heavy, [digit_models.unseen()[0][0]])
    with pytest.raises(ResourceNotFoundError):
        start(
            version="1",
            filter=msgspec.convert({"client": "nobody"}, type(BacktestRequest(version="1").filter)),
        )


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"version": "1", "moste": 3}',
        b'{"version": "1", "most": 0}',
        b'{"version": "1", "filter": {"state": "queued"}}',
        b'{"version": "1", "labels": {"x": "3"}}',
        b'{"version": "1", "agreement": {"by": "magic"}}',
        b'{"version": "1", "agreement": {"at": "digit"}}',
        b'{"version": "1", "filter": {"priority": 99}}',
    ],
)
def test_a_wrong_request_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        parse_backtest(body)


def test_jobs_of_clients_are_not_touched(worker: TrialWorker, session: sa.Connection) -> None:
    heavy = digits("1", digit_models.HEAVY)
    jobs = stored_jobs(heavy, [value for value, _ in digit_models.unseen()[:10]])
    before = list(Job.objects.order_by("id").values())
    worker.run(session, start(version="1"))
    assert list(Job.objects.order_by("id").values()) == before
    assert len(jobs) == 10
