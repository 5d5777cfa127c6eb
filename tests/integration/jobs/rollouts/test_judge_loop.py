"""The judge's loop: killed at any instant it counts nothing twice, of two one acts, and idle it is cheap."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event as Stop
from typing import Any

import pytest
import sqlalchemy as sa
from django.db import connection as django_connection
from django.db import connections

from jobs.db import leases
from jobs.db.leases import HeldLeases, LeaseLostError
from jobs.db.session import open_session
from jobs.db.statement import Statement, execute
from jobs.models import Evidence, FailedKey, RolloutPoint, TakeBack, Tally
from jobs.services.rollouts import evidence_rows, going_back, judge_loop, judged_acts, look
from jobs.services.rollouts.judge_loop import EVERY_S, RolloutJudge
from jobs.services.rollouts.start import start_rollout
from jobs.services.rollouts.take_back import any_take_back, take_back
from models_registry import selectors
from models_registry.core.routing.decision import Arm
from models_registry.models import ModelVersion, Rollout, Rule
from tests.support.factories import make_version
from tests.support.rollout_rows import Judged, Trials, versions_of
from tests.support.threads import at_once

REFUSED = Statement("SELECT 1 / 0", int)
SLOW = Statement("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)")


class Killed(BaseException):
    """The process ended here: no handler of errors sees it."""


@pytest.fixture(autouse=True)
def fresh(db: str) -> Iterator[None]:
    selectors.forget()
    yield
    selectors.forget()


def judge(trials: Trials | None = None) -> RolloutJudge:
    return RolloutJudge(stop=Stop(), trials=trials or Trials())


def killed(*_args: Any, **_kwargs: Any) -> Any:
    raise Killed


def state() -> dict[str, Any]:
    """Return everything that a look may change."""
    return {
        "tallies": Tally.objects.count(),
        "known": FailedKey.objects.count(),
        "evidence": list(Evidence.objects.values_list("document", flat=True)),
        "rules": Rule.objects.count(),
        "versions": list(ModelVersion.objects.order_by("id").values_list("state", flat=True)),
        "points": RolloutPoint.objects.count(),
        "back": TakeBack.objects.count(),
    }


KILLS: list[tuple[Any, str]] = [
    (evidence_rows, "execute"),
    (look, "absorbed"),
    (look, "judge"),
    (look, "keep"),
    (look, "apply"),
    (judged_acts, "go_back"),
    (going_back, "move"),
    (going_back, "put_alone"),
    (going_back, "change_state"),
    (going_back, "open_by_hand"),
    (going_back, "begin_take_back"),
    (going_back, "tell"),
]


@pytest.mark.parametrize(("module", "name"), KILLS, ids=lambda part: getattr(part, "__name__", part))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_before_or_after_any_statement_of_a_roll_back_it_counts_nothing_twice(
    session: sa.Connection,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    after: bool,  # noqa: FBT001
) -> None:
    judged = Judged()
    judged.running()
    judged.bad()
    before, real = state(), getattr(module, name)

    def dies(*args: Any, **kwargs: Any) -> Any:
        if after:
            real(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(module, name, dies)
    with pytest.raises(Killed):
        judge().step(session, ())
    connections.close_all()
    assert state() == before
    monkeypatch.setattr(module, name, real)
    judge().step(session, ())
    row = judged.row
    assert row.state == "rolled_back"
    assert Evidence.objects.get().document["numbers"]["failed"] == 40
    assert (Tally.objects.count(), FailedKey.objects.count()) == (0, 40)
    assert Rule.objects.count() == 3


def test_of_two_judges_at_once_one_counts_each_tally(session: sa.Connection) -> None:
    judged = Judged(budget=10_000)
    judged.running()
    for _ in range(20):
        judged.tally(Arm.CANDIDATE, 10)
        judged.tally(Arm.STABLE, 100)

    def steps() -> None:
        with open_session() as own:
            for _ in range(3):
                judge().step(own, ())

    at_once([steps, steps])
    assert Evidence.objects.get().document["numbers"]["judged"] == 200
    assert not Tally.objects.exists()


def test_a_judge_whose_lease_another_has_changes_nothing(session: sa.Connection) -> None:
    judged = Judged()
    judged.running()
    judged.bad()
    before = state()
    holder = HeldLeases(session, leases.ROLLOUT_JUDGE)
    assert holder.take(leases.ROLLOUT_JUDGE)
    session.exec_driver_sql("DELETE FROM jobs_leaseholder")
    with pytest.raises(LeaseLostError):
        judge().step(session, ())
    assert state() == before
    session.info.pop("holder")


@pytest.mark.parametrize("sick", ["plan", "evidence", "points", "deadline"])
def test_one_roll_out_that_fails_holds_no_other_up(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch, sick: str
) -> None:
    """Also where its rows are not what this code wrote, or the database refuses what it writes."""
    first = Judged()
    first.running()
    stopped = first.jobs(2)
    if sick == "plan":
        Rollout.objects.filter(pk=first.id).update(plan={"steps": "none"})
    elif sick == "evidence":
        Evidence.objects.update_or_create(rollout=first.id, defaults={"document": {"evidence": 7}})
    elif sick == "points":
        monkeypatch.setattr(look, "add_point", lambda *_: execute(REFUSED))
    else:
        monkeypatch.setattr(look, "take_tallies", lambda _: execute(SLOW))
    make_version("other", "1")
    make_version("other", "2")
    other = start_rollout(model="other", alias="default", candidate="2", plan={}, actor="olga")
    TakeBack.objects.create(rollout=first.id, closes=False)
    judge().step(session, ())
    other.refresh_from_db()
    assert other.state == "gating"
    assert versions_of(stopped) == {first.stable.pk}


def test_a_take_back_that_fails_holds_no_other_up(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Judged()
    first.running()
    jobs = first.jobs(2)
    TakeBack.objects.create(rollout=first.id, closes=False)

    def with_a_sick_one(session: sa.Connection) -> Any:
        (back,) = any_take_back(session)
        return [back._replace(candidate=0), back]

    def sick(session: sa.Connection, back: Any, go_on: Any) -> int:
        if back.candidate == 0:
            with leases.fenced(session):
                session.exec_driver_sql("SELECT 1 / 0")
        return take_back(session, back, go_on)

    monkeypatch.setattr(judge_loop, "any_take_back", with_a_sick_one)
    monkeypatch.setattr(judge_loop, "take_back", sick)
    judge().step(session, ())
    assert versions_of(jobs) == {first.stable.pk}


def test_without_a_live_roll_out_a_look_is_one_statement(session: sa.Connection) -> None:
    statements: list[str] = []
    sa.event.listen(session, "before_cursor_execute", lambda *given: statements.append(given[2]))
    idle = judge()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(django_connection, "ensure_connection", killed)
        idle.step(session, ())
        idle.step(session, ())
    assert len(statements) == 2
    assert idle.pause_s == EVERY_S


def test_it_takes_more_tallies_than_one_look_reads_without_a_pause(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_rows, "MOST_TALLIES", 3)
    monkeypatch.setattr(look, "MOST_TALLIES", 3)
    judged = Judged(budget=10_000)
    judged.running()
    for _ in range(5):
        judged.tally(Arm.STABLE, 10)
    loop = judge()
    loop.step(session, ())
    assert loop.pause_s == 0
    loop.step(session, ())
    assert not Tally.objects.exists()
    assert loop.pause_s > 0
