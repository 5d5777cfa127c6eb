"""A shadow stops where a worker ends with a copy in hand, and goes on when a person starts it again."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.errors import ResourceNotFoundError, WrongStateError
from jobs.models import Event, Job, Shadow, ShadowCopy, ShadowHand, Worker
from jobs.services.shadow.shadow_acts import start_shadow, stop_shadow
from jobs.services.shadow.shadow_rows import release, running, take
from jobs.services.shadow.shadow_views import shadow_view
from models_registry.core.registry_errors import AgreementError
from models_registry.models import ModelVersion
from tests.support.factories import make_worker
from tests.support.rules import two_versions
from tests.support.shadows import ShadowWorker, keep, shadow_of, shadow_rule, submitted

ECHO = "models_registry.loaders.builtin:echo"


@pytest.fixture(autouse=True)
def versions(db: str) -> tuple[ModelVersion, ModelVersion]:
    return two_versions(artifact=ECHO)


def in_hand(session: sa.Connection, worker: Worker) -> int:
    """Take copies as a worker does that then falls silent."""
    keep(session)
    (shadow,) = running(session, ["echo"])
    return len(take(session, shadow, worker=worker.id, models=["echo"], most=2))


def test_a_worker_that_dies_with_a_copy_in_hand_stops_the_shadow(session: sa.Connection) -> None:
    put, worker = shadow_rule(), make_worker()
    submitted("echo", range(5))
    rows = list(Job.objects.order_by("id").values())
    assert in_hand(session, worker) == 2
    keep(session)
    assert shadow_of(put).state == "running"
    Worker.objects.update(ended_at=timezone.now(), end_reason="silent")
    keep(session)
    shadow = shadow_of(put)
    assert (shadow.state, shadow.lost, shadow.unwanted) == ("stopped", 2, 3)
    assert "gpu-0@tests ended with a copy in hand" in shadow.reason
    assert (ShadowCopy.objects.count(), ShadowHand.objects.count()) == (0, 0)
    event = Event.objects.get(kind="shadow")
    assert (event.actor, event.detail["act"], event.detail["rule"]) == ("platform", "stop", put.pk)
    assert list(Job.objects.order_by("id").values()) == rows
    submitted("echo", [9])
    assert not ShadowCopy.objects.exists()


def test_a_worker_that_stops_in_order_does_not_stop_the_shadow(session: sa.Connection) -> None:
    put, worker = shadow_rule(), make_worker()
    submitted("echo", range(5))
    in_hand(session, worker)
    release(session, worker.id)
    Worker.objects.update(ended_at=timezone.now(), end_reason="stopped")
    keep(session)
    assert (shadow_of(put).state, shadow_of(put).lost, ShadowCopy.objects.count()) == ("running", 2, 3)


def test_a_person_stops_a_shadow_and_starts_it_again(
    versions: tuple[ModelVersion, ModelVersion], session: sa.Connection
) -> None:
    put = shadow_rule(begun=False)
    of = {"model": "echo", "alias": "default", "number": put.number, "actor": "olga"}
    submitted("echo", range(3))
    with pytest.raises(ResourceNotFoundError, match="has not begun"):
        stop_shadow(**of, reason="")  # type: ignore[arg-type]  # the names of one rule
    assert not ShadowCopy.objects.exists()
    keep(session)
    submitted("echo", range(3))
    stop_shadow(**of, reason="too warm")  # type: ignore[arg-type]  # as above
    with pytest.raises(WrongStateError, match="is stopped, so you cannot stop it"):
        stop_shadow(**of, reason="")  # type: ignore[arg-type]  # as above
    ShadowWorker(*versions).run(session)
    submitted("echo", [8])
    keep(session)
    assert (shadow_of(put).run, shadow_of(put).unwanted, ShadowCopy.objects.count()) == (0, 3, 0)
    start_shadow(**of, reason="cold again")  # type: ignore[arg-type]  # as above
    submitted("echo", [9])
    assert ShadowCopy.objects.count() == 1
    acts = Event.objects.filter(kind="shadow").order_by("id").values_list("detail__act", "actor")
    assert list(acts) == [("stop", "olga"), ("start", "olga")]
    assert shadow_view("echo", "default", put.number).state == "running"


def test_a_shadow_whose_outputs_cannot_be_compared_is_stopped_with_the_reason(
    versions: tuple[ModelVersion, ModelVersion], session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise AgreementError("tests:compare raised ValueError at two outputs.")

    put = shadow_rule()
    submitted("echo", range(3))
    keep(session)
    monkeypatch.setattr("jobs.worker.shadow.shadow_run.read_inputs", broken)
    ShadowWorker(*versions).run(session)
    shadow = shadow_of(put)
    assert (shadow.state, shadow.run) == ("stopped", 1)
    assert shadow.reason == "Its copies could not be run: tests:compare raised ValueError at two outputs."
    assert Shadow.objects.count() == 1


@pytest.mark.parametrize(
    "named", [("echo", "default", 9), ("none", "default", 1), ("echo", "a\0", 1), ("echo", "default", -1)]
)
def test_an_unknown_rule_has_no_shadow(named: tuple[str, str, int]) -> None:
    with pytest.raises(ResourceNotFoundError):
        shadow_view(*named)
