"""`manage.py dead_letters`: every verb, its refusals and its audit events."""

from __future__ import annotations

import getpass
import io
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from amqp.basic_message import Message
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs.broker import topology
from jobs.models import DeadLetter, Event, Job, JobInput, Outbox
from jobs.services.dead_letters import letter_counter
from jobs.services.lifecycle.replay import replay_job
from models_registry import selectors
from tests.support.dead_letter_queue import dead_messages, put
from tests.support.factories import count_by_state, make_dead, make_job, make_version
from tests.support.relays import new_model, running
from tests.support.wait import wait_until

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.fixture(autouse=True)
def _empty(db: str) -> None:
    selectors.forget()


def output_of(*words: object) -> str:
    out = io.StringIO()
    call_command("dead_letters", *map(str, words), stdout=out)
    return out.getvalue()


def test_list_shows_the_queues_beside_the_rows_and_the_groups() -> None:
    make_dead(2, fingerprint="poison:a:-", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    make_dead(1, fingerprint="poison:a:-", created_at=datetime(2026, 2, 1, tzinfo=UTC))
    make_dead(1, kind="timeout", fingerprint="timeout:b:-")
    text = output_of("list")
    lines = [line.split() for line in text.replace("│", " ").splitlines()]
    assert ["echo", "4", "4", "-", "-", "not", "counted", "yet:", "no", "relay", "has", "looked"] in lines
    assert ["3", "echo", "poison", "poison:a:-", "2026-01-01", "00:00:00", "2026-02-01", "00:00:00"] in lines
    assert "4 dead letters in 2 groups" in text


def test_list_shows_what_the_relay_counted_in_the_broker(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_counter, "COUNT_EVERY_S", 0.1)
    model = new_model()
    make_dead(3, model=model)
    with running(broker_url, [model]):
        wait_until(lambda: [model, "3", "0", "3", "0", "s", "ago"] in queue_lines())


def queue_lines() -> list[list[str]]:
    return [line.replace("│", " ").split() for line in output_of("list").splitlines()]


@pytest.mark.parametrize(
    "words",
    [["--model", "other"], ["--kind", "timeout"], ["--fingerprint", "f:x"], ["--until", "2026-01-02"],
     ["--since", "2h"]],
)  # fmt: skip
def test_a_filter_chooses_the_same_dead_letters_for_list_and_replay(words: list[str]) -> None:
    old = datetime(2026, 1, 1, tzinfo=UTC)
    make_dead(1, created_at=old + timedelta(days=3))
    columns: dict[str, dict[str, Any]] = {
        "--model": {"model": "other"}, "--kind": {"kind": "timeout"}, "--fingerprint": {"fingerprint": "f:x"},
        "--until": {"created_at": old}, "--since": {"created_at": timezone.now()},
    }  # fmt: skip
    made = make_dead(2, **({"created_at": old + timedelta(days=3)} | columns[words[0]]))
    assert "2 dead letters in 1 groups" in output_of("list", *words)
    assert "2 jobs would be queued again" in output_of("replay", *words, "--dry-run")
    assert "2 jobs are queued again." in output_of("replay", *words, "--at-once")
    assert set(Outbox.objects.values_list("job_id", flat=True)) == {job.id for job in made}


def test_show_prints_the_dead_letter_and_hides_the_input() -> None:
    tried = [{"at": "2026-01-01T10:00:00", "epoch": 1, "kind": "transient", "code": "first_try"}]
    (job,) = make_dead(
        body={"secret": "sesame"}, history=tried, traceback="Traceback\n  \x1b[31mm.py", message="no"
    )
    text = output_of("show", job.id)
    for shown in (str(job.id), "poison:test:-", "first_try", "transient", r"\x1b[31mm.py", "not confirmed"):
        assert shown in text, shown
    assert "sesame" not in text
    assert "\x1b" not in text
    assert not Event.objects.exists()


def test_show_with_the_input_is_audited() -> None:
    (job,) = make_dead(body={"secret": "sesame"})
    assert "sesame" in output_of("show", job.id, "--input", "--actor", "olga")
    event = Event.objects.get()
    assert (event.kind, event.actor, event.job_id) == ("view_payload", "olga", job.id)


def test_one_job_is_replayed_by_the_login_s_name() -> None:
    job, other = make_dead(2)
    assert f"{job.id} is queued again." in output_of("replay", job.id)
    assert list(Outbox.objects.values_list("job_id", flat=True)) == [job.id]
    assert Event.objects.get().actor == f"command:{getpass.getuser()}"
    assert Job.objects.get(id=other.id).state == "dead"


def test_many_are_replayed_at_a_rate_and_up_to_a_limit() -> None:
    make_dead(5)
    words = ("--model", "echo", "--rate", "0.5", "--limit", "3", "--actor", "olga")
    text = output_of("replay", *words, "--at-once")
    assert "3 jobs are queued again. 2 more match: run the command again." in text
    due = sorted(Outbox.objects.values_list("due", flat=True))
    assert {(later - earlier).total_seconds() for earlier, later in pairwise(due)} == {2.0}
    assert set(Event.objects.values_list("kind", "actor")) == {("replay", "olga")}


def test_one_of_each_group_is_replayed_first() -> None:
    make_dead(5)
    text = output_of("replay", "--model", "echo", "--limit", "3")
    assert "1 job is queued again; 2 more follow" in text
    assert "2 more match: run the command again." in text
    assert count_by_state() == {"queued": 1, "dead": 4}


def test_all_means_all() -> None:
    make_dead(2)
    make_dead(1, model="other")
    output_of("replay", "--all", "--at-once")
    assert count_by_state() == {"queued": 3}


def test_a_job_is_replayed_with_another_input(tmp_path: Path) -> None:
    make_version("strict", input_schema=SCHEMA)
    (job,) = make_dead(model="strict", body={"n": "secret"})
    file = tmp_path / "input.json"
    file.write_text('{"n": 2}')
    assert "would be queued again with 7 bytes" in output_of("replay", job.id, "--input", file, "--dry-run")
    assert count_by_state() == {"dead": 1}
    assert "is queued again with the new input" in output_of(
        "replay", job.id, "--input", file, "--actor", "olga"
    )
    assert bytes(JobInput.objects.get().body) == b'{"n":2}'
    event = Event.objects.get()
    assert (event.kind, event.actor) == ("replay", "olga")
    assert "secret" not in str(event.detail)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b'{"n": "two"}', "/n: "), (b"{", "not JSON"), (b"\xff", "not UTF-8"), (None, "cannot be read")],
)
def test_an_input_that_cannot_be_used_changes_nothing(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    make_version("strict", input_schema=SCHEMA)
    (job,) = make_dead(model="strict")
    file = tmp_path / "input.json"
    if content is not None:
        file.write_bytes(content)
    for words in (["--dry-run"], []):
        with pytest.raises(CommandError, match=says):
            output_of("replay", job.id, "--input", file, *words)
    assert count_by_state() == {"dead": 1}
    assert not Event.objects.exists()


def test_one_dead_letter_is_discarded_once() -> None:
    job, other = make_dead(2)
    assert "can be discarded" in output_of("discard", job.id, "--dry-run")
    assert not Event.objects.exists()
    assert "stays dead" in output_of("discard", job.id, "--actor", "olga")
    assert list(Event.objects.values_list("job_id", "kind", "actor")) == [(job.id, "discard", "olga")]
    assert list(DeadLetter.objects.filter(discarded_at=None).values_list("pk", flat=True)) == [other.id]
    with pytest.raises(CommandError, match="no dead letter that could be discarded"):
        output_of("discard", job.id)


def test_many_are_discarded_by_filter() -> None:
    make_dead(3, kind="timeout")
    make_dead(2)
    assert "3 dead letters would be discarded" in output_of("discard", "--kind", "timeout", "--dry-run")
    assert not DeadLetter.objects.exclude(discarded_at=None).exists()
    assert "3 dead letters are discarded." in output_of("discard", "--kind", "timeout")
    assert DeadLetter.objects.filter(discarded_at=None).count() == 2
    assert Event.objects.filter(kind="discard").count() == 3


def test_a_dry_run_of_a_replay_reports_the_effect_and_changes_nothing() -> None:
    make_version("strict", input_schema=SCHEMA)
    make_dead(3, model="strict", body={"n": 1})
    (bad,) = make_dead(1, model="strict", body={"n": "one"})
    text = output_of("replay", "--model", "strict", "--rate", "2", "--dry-run")
    for shown in ("4 jobs", "the last due after 1.5 s", "1 inputs would be refused", str(bad.id), "/n: "):
        assert shown in text, shown
    assert "1 jobs would be queued again" in output_of("replay", bad.id, "--dry-run")
    assert count_by_state() == {"dead": 4}
    assert not Event.objects.exists()


def test_stale_messages_are_dropped_and_malformed_ones_only_on_request(broker_url: str) -> None:
    model = new_model()
    jobs = make_dead(3, model=model)
    with running(broker_url, [model]):
        wait_until(lambda: not DeadLetter.objects.filter(due__isnull=False).exists())
    replay_job(job_id=jobs[0].id, actor="test")
    put(broker_url, "", topology.dead_queue_name(model), Message("[]", content_type="application/json"))
    text = output_of("purge-stale", "--model", model, "--dry-run")
    assert "2 dead letters count, 1 are stale, 1 messages are not dead letters; nothing was dropped" in text
    assert "1 were dropped" in output_of("purge-stale", "--model", model)
    assert "1 were dropped" in output_of(
        "purge-stale", "--model", model, "--malformed-too", "--actor", "olga"
    )
    assert len(dead_messages(broker_url, model)) == 2
    assert set(Event.objects.filter(kind="purge").values_list("actor", flat=True)) == {
        f"command:{getpass.getuser()}", "olga",
    }  # fmt: skip


JOB = uuid4()
BAD: dict[str, tuple[list[object], str]] = {
    "no verb": ([], "required"),
    "an unknown verb": (["burn"], "invalid choice"),
    "a replay of nothing named": (["replay"], "Give a job's id"),
    "a discard of nothing named": (["discard", "--limit", "5"], "Give a job's id"),
    "a job and a filter": (["replay", JOB, "--model", "echo"], "not both"),
    "a job and all": (["discard", JOB, "--all"], "not both"),
    "a job and a limit": (["discard", JOB, "--limit", "2"], "not both"),
    "all and a filter": (["discard", "--all", "--kind", "crash"], "--all cannot be combined"),
    "a job that is no id": (["replay", "abc"], "not a job's id"),
    "a job that is not there": (["replay", JOB], "no such job"),
    "a letter that is not there": (["show", JOB], "has no dead letter"),
    "a dry run of a job that is not there": (["replay", JOB, "--dry-run"], "no such job"),
    "a discard of a job that is not there": (["discard", JOB], "no such job"),
    "an unknown model": (["list", "--model", "ecko"], "no model 'ecko'; the models are: echo"),
    "an unknown model to purge": (["purge-stale", "--model", "ecko"], "no model 'ecko'"),
    "no model to purge": (["purge-stale"], "--model"),
    "an unknown kind": (["list", "--kind", "bad"], "invalid choice"),
    "a time that is none": (["list", "--since", "yesterday"], "not a time such as"),
    "a time too far": (["list", "--since", "999999999d"], "not a time such as"),
    "times in the wrong order": (["list", "--since", "1h", "--until", "2h"], "is after"),
    "no rate": (["replay", "--all", "--rate", "0"], "above 0"),
    "a rate without end": (["replay", "--all", "--rate", "inf"], "above 0"),
    "a rate that is no number": (["replay", "--all", "--rate", "fast"], "above 0"),
    "a rate for one": (["replay", JOB, "--rate", "2"], "for many jobs"),
    "a limit of none": (["replay", "--all", "--limit", "0"], "above 0"),
    "an input for many": (["replay", "--all", "--input", "f.json"], "edits one job"),
    "nobody": (["replay", "--all", "--actor", " "], "name is empty"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_words_are_refused_with_a_reason_and_nothing_is_done(name: str) -> None:
    make_dead(2)
    words, says = BAD[name]
    with pytest.raises(CommandError, match=says):
        output_of(*words)
    assert count_by_state() == {"dead": 2}
    assert not Event.objects.exists()


def test_a_live_job_is_neither_replayed_nor_discarded() -> None:
    job = make_job()
    for words in (["replay", job.id], ["replay", job.id, "--dry-run"], ["discard", job.id]):
        with pytest.raises(CommandError, match=r"cannot be replayed|could be discarded"):
            output_of(*words)
    assert not Event.objects.exists()
