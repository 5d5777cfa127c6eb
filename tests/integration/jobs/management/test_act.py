"""`manage.py act` counts, starts, shows and stops acts on many jobs."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from jobs.models import BulkAct, Event
from jobs.services.bulk_acts.slices import take_slices
from models_registry import selectors
from tests.support.factories import count_by_state, make_client, make_dead, make_jobs


@pytest.fixture(autouse=True)
def fresh(db: str) -> None:
    selectors.forget()


def act(*arguments: str) -> str:
    out = StringIO()
    call_command("act", *arguments, stdout=out)
    return out.getvalue().strip()


def test_an_act_is_counted_started_shown_and_stopped() -> None:
    make_jobs(10)
    make_jobs(2, client=make_client("theirs"))
    assert act("list") == "There are no acts on many jobs."
    assert "10 jobs would be meant by cancel" in act("cancel", "--client", "tests", "--dry-run")
    said = act("cancel", "--client", "tests", "--rate", "4", "--actor", "olga")
    row = BulkAct.objects.get()
    assert f"Act {row.pk} has begun: cancel of 10 jobs." in said
    take_slices()
    shown = act("show", str(row.pk))
    assert "cancel, running, 2 done and 0 failed of 10, at most 4/s, by olga" in shown
    assert "stopped" in act("stop", str(row.pk), "--actor", "olga")
    assert "stopped" in act("list")
    assert count_by_state() == {"cancelled": 2, "queued": 10}
    steps = Event.objects.filter(kind="bulk_act", actor="olga").order_by("id")
    assert list(steps.values_list("detail__state", flat=True)) == ["running", "stopped"]


def test_dead_letters_that_failed_alike_are_discarded() -> None:
    make_dead(3)
    act("discard", "--fingerprint", "poison:test:-", "--rate", "10000")
    take_slices()
    assert "finished, 3 done" in act("list")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cancel"], "--all"),
        (["cancel", "--all", "--model", "echo"], "--all"),
        (["cancel", "--model", "nothing"], "no model"),
        (["cancel", "--state", "dead"], "cancel"),
        (["cancel", "--metadata", "tenant=a"], "model"),
        (["cancel", "--metadata", "tenant"], "FIELD=VALUE"),
        (["cancel", "--all", "--rate", "0"], "rate"),
        (["cancel", "--client", "nobody"], "client"),
        (["show", "7"], "no such act"),
        (["stop", "7"], "ended"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_started(arguments: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        act(*arguments)
    assert not BulkAct.objects.exists()
