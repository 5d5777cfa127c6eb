"""Copies of encrypted jobs run, and leave nothing in clear: in no table, no log, no report."""

from __future__ import annotations

import json
import logging

import pytest
import sqlalchemy as sa

from jobs.models import Outbox, Shadow
from jobs.services.shadow.shadow_views import report_of
from models_registry import selectors
from models_registry.models import ModelVersion
from tests.support import payload_keys
from tests.support.payload_keys import MODEL
from tests.support.shadows import ShadowWorker, keep, shadow_of, shadow_rule

SECRET = "hush-4711"


@pytest.fixture(autouse=True)
def site(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    payload_keys.use(monkeypatch, payload_keys.OLD)
    agreement = {"agreement": {"by": "label", "at": "/text"}}
    for version in ("1", "2"):
        payload_keys.secret_version(version, artifact="models_registry.loaders.builtin:faulty")
        (row,) = ModelVersion.objects.filter(model__name=MODEL, version=version)
        ModelVersion.objects.filter(pk=row.pk).update(options=row.options | agreement)
    selectors.forget()


def test_sealed_copies_run_and_nothing_is_kept_in_clear(
    session: sa.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("jobs.worker.shadow.shadow_run.NOISE_SHARE", 0.0)
    put = shadow_rule(MODEL)
    for at in range(6):
        payload_keys.submit({"text": f"{SECRET}-{at % 2}"})
    payload_keys.submit({"text": SECRET, "fail": "raise"})
    Outbox.objects.all().delete()
    keep(session)
    ShadowWorker(*ModelVersion.objects.filter(model__name=MODEL)).run(session)
    shadow = shadow_of(put)
    report = report_of(shadow)
    assert report["jobs"] == {"ran": 7, "cancelled": 0, "gone": 0, "unreadable": 0}, shadow.reason
    assert report["labels"]["between"]["labels"] == ["label 1", "label 2"]
    assert sum(report["failures"]["candidate"].values()) == 1
    written = "".join(capfd.readouterr()) + caplog.text
    rows = list(Shadow.objects.values())
    assert "hush" not in json.dumps([rows, report], default=str)
    assert "hush" not in written
