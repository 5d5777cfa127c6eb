"""A job's page lists each failed attempt, and the reason for no further one."""

from __future__ import annotations

import pytest

from jobs.core.failures import Failure, FailureKind
from jobs.core.retry.policy import Bury
from jobs.db.session import open_session
from jobs.models import Job
from jobs.services.lifecycle.settle import Verdict, settle
from tests.support.admin import browser_of, text_of
from tests.support.factories import make_batch, make_job, make_version, make_worker

REASON = "attempt 1 of 1 was the last"
TOLD = (REASON, "gpu-7@tests", "transient", "busy")


@pytest.fixture
def dead(db: str) -> Job:
    job = make_job(max_attempts=1)
    batch = make_batch(make_worker(node="gpu-7@tests"), make_version(), [job])
    failure = Failure(FailureKind.TRANSIENT, "busy", "the secret word")
    verdict = Verdict(job.id, 1, failure, Bury(REASON, exhausted=True), attempt=1)
    with open_session() as session:
        settle(session, batch=batch.id, verdicts=[verdict], worker="gpu-7@tests")
    return job


@pytest.mark.parametrize("sees", [True, False])
def test_a_dead_job_s_page_gives_the_reason_and_quotes_only_for_users_with_the_right(
    dead: Job, *, sees: bool
) -> None:
    rights = ["view_job", "view_payload"] if sees else ["view_job"]
    text = text_of(browser_of(*rights), f"/admin/jobs/job/{dead.id}/change/")
    assert [word for word in TOLD if word not in text] == []
    assert text.count(REASON) >= 2  # of the dead letter, and of the attempt
    assert ("the secret word" in text) is sees
