"""What a worker reports of its loads reaches the table also where the database was away at that moment."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from jobs.worker import load_reports
from jobs.worker.load_reports import LoadReports
from models_registry.core.registry_errors import LoadFailedError
from models_registry.models import LoadState, VersionLoad
from models_registry.services import note_ready
from tests.support.factories import make_version
from tests.support.samples import Samples

pytestmark = pytest.mark.usefixtures("db")


def test_a_report_that_was_not_stored_is_stored_later(monkeypatch: pytest.MonkeyPatch) -> None:
    version, reports = make_version().id, LoadReports("gpu-0@a")
    reports.loading(version)

    def away(**_: object) -> None:
        if errors:
            raise errors.pop()
        note_ready(node="gpu-0@a", version=version, memory_bytes=10, load_s=0.5)

    errors = [OperationalError("away"), OperationalError("still away")]
    monkeypatch.setattr(load_reports, "note_ready", away)
    reports.loaded(version, memory_bytes=10, load_s=0.5)
    reports.again()
    assert VersionLoad.objects.get().state == LoadState.LOADING
    reports.again()
    assert VersionLoad.objects.get().state == LoadState.READY
    VersionLoad.objects.all().delete()
    reports.again()
    assert not VersionLoad.objects.exists()


def test_a_load_that_ends_after_its_limit_is_left_alone_by_the_next_process_all_the_same() -> None:
    version, reports = make_version().id, LoadReports("gpu-0@a")
    reports.loading(version)
    reports.failed(version, LoadFailedError("late"), late=True)
    reports.loaded(version, memory_bytes=10, load_s=700.0)
    assert list(LoadReports("gpu-0@a").started()) == [version]


def test_loads_and_memory_are_counted_under_the_version_s_name() -> None:
    counted, version, reports = Samples(), make_version("pooled"), LoadReports("gpu-0@a")
    label = f"pooled:{version.version}"
    reports.failed(version.id, LoadFailedError("no"))
    assert counted("inference_model_load_failed", version=label) == 1
    reports.loaded(version.id, memory_bytes=10, load_s=0.5)
    assert counted("inference_model_load_failed", version=label) == 0
    assert counted("inference_pool_bytes", version=label) == 10
    assert counted("inference_model_load_seconds_sum") == 0.5
    reports.dropped(version.id)
    assert counted("inference_pool_bytes", version=label) == 0
    assert counted("inference_pool_evictions_total", version=label) == 1
    for outcome in ("failed", "loaded"):
        assert counted("inference_pool_loads_total", version=label, outcome=outcome) == 1
