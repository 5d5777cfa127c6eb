"""The jobs of one call wait in its order: each becomes due a moment after the one before."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.core.submission.request import JobRequest
from jobs.models import Outbox
from jobs.services.submission.submit import submit_jobs
from jobs.services.submission.submitted import Submitted
from models_registry import selectors
from tests.integration.jobs.submission.test_plain_jobs import plain, store
from tests.support.factories import make_version
from tests.support.submit import owner

MANY = 60


def assert_in_order(ids: list[Any]) -> None:
    rows = Outbox.objects.order_by("due")
    assert [row.pk for row in rows] == ids
    assert len({row.due for row in rows}) == len(ids) == MANY


@pytest.mark.parametrize("options", [{}, {"collapse": True}])
def test_of_a_call_for_many_jobs(db: str, options: dict[str, Any]) -> None:
    selectors.forget()
    make_version("echo", options=options)
    requests = [JobRequest(model="echo", input={"n": n}) for n in range(MANY)]
    made = submit_jobs(owner=owner(), requests=requests)
    assert_in_order([job.id for job in made if isinstance(job, Submitted)])


def test_of_calls_that_are_stored_together(db: str) -> None:
    selectors.forget()
    make_version("echo")
    jobs = [plain(owner(), str(n)) for n in range(MANY)]
    store(jobs)
    # Those that came within one millisecond have no order among them.
    assert_in_order(sorted(job.new.id for job in jobs))
