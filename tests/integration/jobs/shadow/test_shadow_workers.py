"""Copies at real worker processes: run beside the jobs; one that kills its worker stops its shadow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs.models import Job, ShadowCopy, ShadowHand, Worker
from jobs.services.lifecycle import reap
from models_registry.models import Rule
from tests.integration.jobs.trials.test_trial_workers import BUILT_IN, LIMIT_S, own_process
from tests.support.factories import make_version
from tests.support.shadows import keep, shadow_of, shadow_rule
from tests.support.trials import stored_jobs
from tests.support.wait import wait_until


def shadowed(session: sa.Connection, values: Sequence[Any]) -> Rule:
    """Return the rule of a shadow that fails as its input says, with a copy of a job for each input."""
    stable = make_version("copied", "1", artifact=f"{BUILT_IN}:echo")
    make_version("copied", "2", artifact=f"{BUILT_IN}:faulty", options={"batch_limit_s": 2})
    put = shadow_rule("copied")
    keep(session)
    ShadowCopy.objects.bulk_create(ShadowCopy(job=job, rule=put.pk) for job in stored_jobs(stable, values))
    return put


def test_a_worker_runs_copies_while_it_has_nothing_else_to_do(
    db: str, session: sa.Connection, tmp_path: Path
) -> None:
    put = shadowed(session, [{"text": str(number)} for number in range(40)])
    with own_process("copied", tmp_path / "log"):
        wait_until(lambda: shadow_of(put).run == 40, limit_s=LIMIT_S)
    shadow = shadow_of(put)
    assert (shadow.state, shadow.counts["pairs"]["candidate_failed"]) == ("running", {})
    assert not ShadowCopy.objects.exists()


@pytest.mark.parametrize("fail", ["segfault", "hang"])
def test_a_copy_that_ends_its_worker_stops_its_shadow_and_no_other_worker_runs_it(
    db: str, session: sa.Connection, tmp_path: Path, fail: str
) -> None:
    # One batch in ten runs the stable version twice, which no input ends: so there are more copies than one.
    put = shadowed(session, [{"fail": fail}] * 20)
    jobs = list(Job.objects.values())
    with own_process("copied", tmp_path / "log") as worker:
        worker.wait(LIMIT_S)
    assert ShadowHand.objects.count() == 1, (tmp_path / "log").read_text()[-3000:]
    reap.end_silent_workers(session, -1.0)
    keep(session)
    shadow = shadow_of(put)
    assert (shadow.state, shadow.lost > 0) == ("stopped", True)
    assert "ended with a copy in hand" in shadow.reason
    assert list(Job.objects.values()) == jobs
    assert not ShadowCopy.objects.exists()
    assert Worker.objects.count() == 1
