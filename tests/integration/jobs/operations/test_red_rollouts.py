"""Roll-outs that stand still, or went back within the last hour, are read for the live page."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from django.utils import timezone

from jobs.db.connections import connect
from jobs.db.session_settings import Use
from jobs.services.operations.reading_rows import OperationsReads
from tests.support.shown_rollouts import SENTENCE, make_rollout


def test_held_and_lately_rolled_back_ones_are_read_and_no_others(db: str) -> None:
    back = {"state": "rolled_back", "hold": "", "sentence": "Rolled back."}
    held = make_rollout("echo")
    late = make_rollout("late", **back)
    long_ago = timezone.now() - timedelta(minutes=61)
    make_rollout("old", **back, state_since=long_ago)
    make_rollout("running", state="running", hold="")
    make_rollout("done", state="done", hold="")
    with closing(connect("operations", Use.PAGE, direct=True)) as session:
        rows = {row.id: row for row in OperationsReads().read(session).rollouts}
    assert {*rows} == {held.pk, late.pk}
    shown = rows[held.pk]
    assert (shown.model, shown.alias, shown.candidate, shown.state, shown.hold, shown.sentence) == (
        "echo", "default", "2", "held", "budget", SENTENCE,
    )  # fmt: skip
    assert abs(shown.since - held.state_since.timestamp()) < 1.0
