"""An alias moves once each live worker of its model has loaded the version, and not before."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from jobs.models import Worker
from models_registry import selectors
from models_registry.loaders.entry_point import BUILT_IN
from models_registry.models import AliasMove, MoveState, Promotion, Rollout
from models_registry.services import (
    finish_moves,
    move_alias,
    note_load_failure,
    note_loading,
    note_ready,
    register_version,
)
from tests.support.factories import make_worker
from tests.support.routes import make_rollout

pytestmark = pytest.mark.usefixtures("db")
NODES = ("gpu-0@a", "gpu-1@a")


@pytest.fixture
def ids() -> dict[str, int]:
    """Two versions of echo, the first with the alias `default`, and two workers that have loaded it."""
    ids = {
        version: register_version(
            name="echo", version=version, loader="entry_point", artifact=BUILT_IN["echo"]
        ).id
        for version in ("1", "2")
    }
    move_alias(name="echo", alias="default", version="1")
    for node in NODES:
        make_worker(node)
        note_ready(node=node, version=ids["1"], memory_bytes=10, load_s=0.5)
    make_worker("gpu-2@a", model_names=["other"])
    make_worker("gpu-3@a", ended_at=Now())
    return ids


def pointed_at() -> str:
    selectors.forget()
    return selectors.resolve("echo").version


def newest() -> AliasMove:
    return AliasMove.objects.latest("id")


def test_an_alias_moves_when_the_last_worker_has_loaded_the_version(ids: dict[str, int]) -> None:
    moved = move_alias(name="echo", alias="default", version="2", actor="olga")
    assert moved.waiting is not None
    assert moved.waiting.outcome == "It waits for gpu-0@a, gpu-1@a."
    assert selectors.wanted_versions(["echo"], keep_warm_s=60).to_load == (ids["1"], ids["2"])
    note_ready(node=NODES[0], version=ids["2"], memory_bytes=10, load_s=0.5)
    note_loading(node=NODES[1], version=ids["2"])
    finish_moves(["echo"])
    assert pointed_at() == "1"
    note_ready(node=NODES[1], version=ids["2"], memory_bytes=10, load_s=0.5)
    finish_moves(["echo"])
    assert (pointed_at(), newest().state) == ("2", MoveState.MOVED)
    last = Promotion.objects.latest("id")
    assert (last.before, last.after, last.actor) == ("1", "2", "olga")
    wanted = selectors.wanted_versions(["echo"], keep_warm_s=60)
    assert (wanted.stable, wanted.coming, wanted.warm) == ((ids["2"],), (), (ids["1"],))
    assert selectors.wanted_versions(["echo"], keep_warm_s=0).warm == ()
    # The old version is in memory still, so that the way back takes effect at once.
    assert move_alias(name="echo", alias="default", version="1").waiting is None
    assert pointed_at() == "1"


def test_a_move_fails_where_a_worker_cannot_load_the_version_and_changes_nothing(ids: dict[str, int]) -> None:
    note_load_failure(node=NODES[0], version=ids["2"], reason="an old failure")
    move_alias(name="echo", alias="default", version="2")
    finish_moves(["echo"])
    assert newest().state == MoveState.LOADING
    note_load_failure(node=NODES[0], version=ids["2"], reason="no such file")
    finish_moves(["echo"])
    assert (newest().state, newest().outcome) == (
        MoveState.FAILED,
        "gpu-0@a cannot load it: no such file",
    )
    assert pointed_at() == "1"


def test_a_move_that_takes_too_long_fails_and_one_that_must_not_wait_does_not(ids: dict[str, int]) -> None:
    with pytest.raises(CommandError, match=r"too long. It waits for gpu-0@a, gpu-1@a"):
        call_command("move_alias", "echo", "default", "2", "--wait-s", "0")
    assert pointed_at() == "1"
    move_alias(name="echo", alias="default", version="2")
    assert move_alias(name="echo", alias="default", version="2", now=True).waiting is None
    assert pointed_at() == "2"
    assert newest().outcome == "A later move was asked for."


def test_nobody_is_waited_for_where_no_live_worker_serves_the_model(ids: dict[str, int]) -> None:
    Worker.objects.filter(node=NODES[0]).update(ended_at=Now())
    Worker.objects.filter(node=NODES[1]).update(heartbeat_at="2026-01-01T00:00:00Z")
    assert move_alias(name="echo", alias="default", version="2").waiting is None


def test_a_move_that_nobody_ended_in_its_time_takes_no_effect_later(ids: dict[str, int]) -> None:
    move_alias(name="echo", alias="default", version="2")
    Worker.objects.update(ended_at=Now())
    AliasMove.objects.update(until="2026-01-01T00:00:00Z")
    for node in NODES:
        make_worker(node)
        note_ready(node=node, version=ids["2"], memory_bytes=10, load_s=0.5)
    finish_moves(["echo"])
    assert (pointed_at(), newest().state, newest().outcome) == ("1", MoveState.FAILED, "It took too long.")


def test_a_roll_out_s_versions_are_held_from_its_gate_until_its_end(ids: dict[str, int]) -> None:
    def wanted() -> tuple[tuple[int, ...], ...]:
        now = selectors.wanted_versions(["echo"], keep_warm_s=60)
        return now.stable, now.routed, now.coming

    rollout = make_rollout(state="planned")
    assert wanted() == ((ids["1"],), (), ())
    for state in ("gating", "running", "held", "baking", "rolled_back"):
        Rollout.objects.filter(pk=rollout.pk).update(state=state)
        gating, exposed = state == "gating", state in {"running", "held", "baking"}
        assert wanted() == (
            (ids["1"],), (ids["2"],) if exposed else (), (ids["2"],) if gating else (),
        ), state  # fmt: skip
