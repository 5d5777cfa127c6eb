"""What is kept of a step: no number of a confidential answer, and no answer longer than its job's input."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import DeadLetter, Event, JobStep
from jobs.services.retention.forget_old import forget_old
from models_registry import selectors
from models_registry.models import ModelVersion
from tests.support.cascades import FAULT, answer, job_of, light_and_heavy, put_cascade, ran, submit

MARKED = {
    "type": "object",
    "properties": {"confidence": {"type": "number", "x-pii": True}, "label": {"type": "integer"}},
}


@pytest.fixture(autouse=True)
def _versions(db: str) -> None:
    assert db
    light_and_heavy()


def test_no_number_of_a_confidential_answer_is_kept_in_clear() -> None:
    ModelVersion.objects.filter(model__name="light").update(output_schema=MARKED)
    selectors.forget()
    put_cascade()
    sure, unsure = submit("a"), submit("b")
    ran(sure, answer(0.9))
    assert str(ran(unsure, answer(0.3)).version) == "heavy:1"
    rows = JobStep.objects.order_by("id").values_list("why", "confidence")
    assert list(rows) == [("enough", None), ("below", None)]
    details = [event.detail for event in Event.objects.filter(job_id=unsure.id)]
    assert not any("confidence" in detail for detail in details)


@pytest.mark.parametrize(("discarded", "kept"), [(False, True), (True, False)])
def test_an_answer_of_a_dead_job_stays_as_long_as_its_letter_is_open(*, discarded: bool, kept: bool) -> None:
    put_cascade(on_failure="fail")
    job = submit()
    ran(job, answer(0.3))
    ran(job, FAULT)
    assert job_of(job.id).state == "dead"
    JobStep.objects.filter(body__isnull=False).update(expires_at=timezone.now() - timedelta(days=1))
    if discarded:
        DeadLetter.objects.update(discarded_at=timezone.now())
    forget_old(actor="test")
    assert JobStep.objects.filter(body__isnull=False).exists() is kept
