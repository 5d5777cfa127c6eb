"""Encrypted inputs run in a backtest, and leave nothing in clear: in no table, no log, no report."""

from __future__ import annotations

import json
import logging

import pytest
import sqlalchemy as sa

from jobs.core.states import State
from jobs.core.trials.trial_specs import BacktestRequest
from jobs.models import Job
from jobs.models.rollouts.version_trial import Trial, TrialState
from jobs.services.trials.backtests import start_backtest
from models_registry import selectors
from models_registry.core.agreement.option import Agreement
from models_registry.core.registry_errors import TrialRefusedError
from tests.support import payload_keys
from tests.support.factories import make_version
from tests.support.payload_keys import MODEL
from tests.support.trials import TrialWorker
from tests.support.worker import settle_due

SECRET = "hush-4711"
LABEL = Agreement(by="label", at="/text")


@pytest.fixture(autouse=True)
def site(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    payload_keys.use(monkeypatch, payload_keys.OLD)
    for version in ("1", "2"):
        payload_keys.secret_version(version, artifact="models_registry.loaders.builtin:faulty")
    selectors.forget()


def ended_jobs(session: sa.Connection, number: int) -> None:
    for at in range(number):
        payload_keys.submit({"text": f"{SECRET}-{at % 2}"})
    payload_keys.submit({"text": SECRET, "fail": "raise"})
    settle_due(session)
    assert set(Job.objects.values_list("state", flat=True)) == {State.SUCCEEDED}


def test_sealed_inputs_run_and_nothing_is_kept_in_clear(
    session: sa.Connection, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    ended_jobs(session, 6)
    asked = BacktestRequest(version="2", agreement=LABEL)
    trial = start_backtest(model=MODEL, asked=asked, actor="olga")
    row = TrialWorker(MODEL).run(session, trial)
    assert row.state == TrialState.DONE, row.outcome
    assert row.report is not None
    assert row.report["jobs"] == {"ran": 7, "cancelled": 0, "gone": 0, "unreadable": 0, "unknown": 0}
    assert row.report["agreement"]["agreed"] == 6
    assert row.report["labels"]["between"]["labels"] == ["label 1", "label 2"]
    assert sum(row.report["failures"]["candidate"].values()) == 1
    written = "".join(capfd.readouterr()) + caplog.text
    assert "hush" not in json.dumps([row.report, row.progress, row.outcome, row.spec])
    assert "hush" not in payload_keys.dump()
    assert "hush" not in written


def test_a_version_that_does_not_encrypt_gets_no_sealed_input(session: sa.Connection) -> None:
    ended_jobs(session, 3)
    make_version(MODEL, "3", artifact="models_registry.loaders.builtin:faulty", options={})
    asked = BacktestRequest(version="3", against="1")
    row = TrialWorker(MODEL).run(session, start_backtest(model=MODEL, asked=asked, actor="olga"))
    assert row.state == TrialState.FAILED
    assert row.report is not None
    assert row.report["jobs"]["unreadable"] == 4


def test_true_labels_of_confidential_jobs_are_not_kept(session: sa.Connection) -> None:
    ended_jobs(session, 1)
    labels = {str(job): "ill" for job in Job.objects.values_list("id", flat=True)}
    asked = BacktestRequest(version="2", agreement=LABEL, labels=labels)
    with pytest.raises(TrialRefusedError):
        start_backtest(model=MODEL, asked=asked, actor="olga")
    assert not Trial.objects.exists()
