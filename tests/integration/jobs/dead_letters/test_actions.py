"""Replay, edit, discard and dry-run of dead jobs, one and many."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from jobs.core.errors import InvalidInputError, JobNotFoundError, MalformedRequestError, WrongStateError
from jobs.core.states import State
from jobs.models import DeadLetter, Event, Job, JobInput, Outbox
from jobs.services.dead_letters import reads as letters
from jobs.services.dead_letters import replay_many
from jobs.services.dead_letters.discard import discard_dead_letter, discard_dead_letters
from jobs.services.dead_letters.dry_run import dry_run
from jobs.services.dead_letters.edit import check_edit, replay_edited
from jobs.services.dead_letters.reads import DeadLetterFilter
from jobs.services.dead_letters.replay_many import replay_dead_letters
from jobs.services.lifecycle.replay import replay_job
from models_registry import selectors
from tests.support.factories import count_by_state, make_dead, make_job, make_version
from tests.support.threads import at_once

ANY = DeadLetterFilter()
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.fixture(autouse=True)
def empty(db: str) -> Iterator[None]:
    selectors.forget()
    yield
    selectors.forget()


def test_a_replayed_job_is_queued_for_its_client_and_parameters_as_when_it_was_new() -> None:
    job = make_job(state=State.DEAD)
    JobInput.objects.filter(job=job).update(parameters=b'{"k":7}')
    replay_job(job_id=job.id, actor="olga")
    row = Outbox.objects.get()
    assert row.client == job.client_id
    assert row.parameters_digest > 0
    assert not DeadLetter.objects.exists()


def test_many_jobs_are_replayed_at_the_requested_rate_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_many, "CHUNK_JOBS", 7)
    jobs = make_dead(20)
    assert replay_dead_letters(selection=ANY, actor="olga", rate=4.0, most=1_000) == 20
    rows = list(Outbox.objects.order_by("due").values_list("job_id", "due"))
    assert [job for job, _ in rows] == sorted(job.id for job in jobs)
    gaps = {(later - earlier).total_seconds() for (_, earlier), (_, later) in pairwise(rows)}
    assert gaps == {0.25}
    assert count_by_state() == {"queued": 20}
    assert set(Event.objects.values_list("kind", "actor", "epoch")) == {("replay", "olga", 1)}
    assert Event.objects.count() == 20


def test_without_a_rate_all_are_due_at_once() -> None:
    make_dead(3)
    replay_dead_letters(selection=ANY, actor="olga", most=10)
    assert Outbox.objects.filter(due__lte=timezone.now()).count() == 3


def test_no_more_than_the_requested_number_are_replayed_oldest_first() -> None:
    jobs = make_dead(5)
    assert replay_dead_letters(selection=ANY, actor="olga", most=2) == 2
    assert set(Outbox.objects.values_list("job_id", flat=True)) == set(sorted(job.id for job in jobs)[:2])


def test_a_deadline_before_the_job_s_turn_is_dropped_and_a_later_one_kept() -> None:
    soon, late = timezone.now() + timedelta(seconds=30), timezone.now() + timedelta(hours=1)
    jobs = sorted(make_dead(3), key=lambda job: job.id)
    Job.objects.filter(id__in=[jobs[0].id, jobs[1].id]).update(deadline=soon)
    Job.objects.filter(id=jobs[2].id).update(deadline=late)
    replay_dead_letters(selection=ANY, actor="olga", rate=1 / 60, most=10)
    deadlines = dict(Outbox.objects.values_list("job_id", "deadline"))
    assert deadlines == {jobs[0].id: soon, jobs[1].id: None, jobs[2].id: late}
    assert dict(Job.objects.values_list("id", "deadline")) == deadlines


FILTERS = [
    (DeadLetterFilter(model="other"), "model"),
    (DeadLetterFilter(kind="timeout"), "kind"),
    (DeadLetterFilter(fingerprint="poison:other:-"), "fingerprint"),
    (DeadLetterFilter(until=datetime(2020, 1, 2, tzinfo=UTC)), "old"),
]


@pytest.mark.parametrize(("selection", "which"), FILTERS)
def test_a_filter_chooses_the_same_jobs_for_count_groups_list_and_replay(
    selection: DeadLetterFilter, which: str
) -> None:
    made = {
        "plain": make_dead(1),
        "model": make_dead(2, model="other"),
        "kind": make_dead(2, kind="timeout"),
        "fingerprint": make_dead(2, fingerprint="poison:other:-"),
        "old": make_dead(2, created_at=datetime(2020, 1, 1, tzinfo=UTC)),
    }
    expected = {job.id for job in made[which]}
    assert letters.count(selection) == 2
    assert [group.count for group in letters.groups(selection).largest] == [2]
    assert {row.job for row in letters.newest(selection, most=10)} == expected
    assert replay_dead_letters(selection=selection, actor="olga", most=10) == 2
    assert set(Job.objects.filter(state="queued").values_list("id", flat=True)) == expected


def test_groups_have_a_count_and_the_first_and_last_time() -> None:
    first, last = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    make_dead(2, fingerprint="poison:a:-", created_at=first)
    make_dead(1, fingerprint="poison:a:-", created_at=last)
    make_dead(1, fingerprint="poison:b:-")
    make_dead(1, fingerprint="poison:a:-", discarded_at=last)
    groups = letters.groups(ANY)
    assert (groups.dead_letters, groups.groups) == (4, 2)
    group = groups.largest[0]
    assert (group.fingerprint, group.count, group.first_seen, group.last_seen) == (
        "poison:a:-", 3, first, last,
    )  # fmt: skip
    assert letters.groups(DeadLetterFilter(model="none")).largest == []


def test_a_dry_run_reports_the_effect_and_changes_nothing() -> None:
    make_version("strict", input_schema=SCHEMA)
    make_dead(3, model="strict", body={"n": 1})
    bad = make_dead(2, model="strict", body={"n": "one"})
    Job.objects.filter(id=bad[0].id).update(deadline=timezone.now() - timedelta(hours=1))
    report = dry_run(selection=ANY, rate=2.0, most=100)
    assert (report.jobs, report.checked, report.invalid, report.overdue, report.lasts_s) == (5, 5, 2, 1, 2.0)
    assert {job for job, _ in report.faults} == {job.id for job in bad}
    assert "/n" in report.faults[0][1]
    assert count_by_state() == {"dead": 5}
    assert not Outbox.objects.exists()
    assert not Event.objects.exists()
    assert dry_run(selection=ANY, most=3).jobs == 3


def test_a_dry_run_outlives_any_stored_input() -> None:
    jobs = make_dead(2)
    for job, body in zip(jobs, (b"\xff", b"[" * 9_000 + b"]" * 9_000), strict=True):
        JobInput.objects.filter(job=job).update(body=body)
    assert dry_run(selection=ANY, most=10).invalid == 2


def test_an_edited_job_runs_with_the_new_input_and_the_audit_holds_no_data() -> None:
    make_version("strict", input_schema=SCHEMA, padded=True)
    (job,) = make_dead(1, model="strict", body={"n": "secret"})
    replay_edited(job_id=job.id, actor="olga", text=' {"n": 5} ')
    job.refresh_from_db()
    assert (job.state, job.size) == ("queued", 7)
    assert Outbox.objects.get().size == 7
    assert bytes(JobInput.objects.get().body) == b'{"n":5}'
    event = Event.objects.get()
    assert (event.kind, event.actor) == ("replay", "olga")
    assert set(event.detail["input_hmac"]) == {"before", "after"}
    assert "secret" not in str(event.detail)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"n": "one"}', InvalidInputError),
        ("{", MalformedRequestError),
        ("", MalformedRequestError),
        ("[" * 9_000 + "]" * 9_000, MalformedRequestError),
        ('"\ud800"', MalformedRequestError),
    ],
)
def test_an_edit_that_the_version_does_not_take_changes_nothing(text: str, error: type[Exception]) -> None:
    make_version("strict", input_schema=SCHEMA)
    (job,) = make_dead(1, model="strict", body={"n": "one"})
    with pytest.raises(error):
        replay_edited(job_id=job.id, actor="olga", text=text)
    job.refresh_from_db()
    assert job.state == "dead"
    assert not Event.objects.exists()


def test_a_live_job_s_input_is_not_edited() -> None:
    job = make_job(body={"n": 1})
    assert check_edit(job_id=job.id, text="{}").body == b"{}"
    with pytest.raises(WrongStateError):
        replay_edited(job_id=job.id, actor="olga", text="{}")
    with pytest.raises(JobNotFoundError):
        replay_edited(job_id=uuid4(), actor="olga", text="{}")
    assert bytes(JobInput.objects.get().body) == b'{"n": 1}'


def test_a_discarded_job_stays_dead_with_its_reason_and_leaves_lists_groups_and_replays() -> None:
    job, other = make_dead(2)
    discard_dead_letter(job_id=job.id, actor="olga")
    job.refresh_from_db()
    assert (job.state, job.epoch) == ("dead", 0)
    row = DeadLetter.objects.get(job=job)
    assert row.discarded_at is not None
    assert row.due is None
    assert row.message
    assert letters.count(ANY) == 1
    assert [row.job for row in letters.newest(ANY, most=9)] == [other.id]
    assert replay_dead_letters(selection=ANY, actor="olga", most=9) == 1
    assert list(Event.objects.filter(job=job).values_list("kind", "actor")) == [("discard", "olga")]
    with pytest.raises(WrongStateError):
        discard_dead_letter(job_id=job.id, actor="olga")


def test_a_discarded_job_can_still_be_replayed_by_its_id() -> None:
    (job,) = make_dead(1)
    discard_dead_letter(job_id=job.id, actor="olga")
    replay_job(job_id=job.id, actor="olga")
    assert count_by_state() == {"queued": 1}
    assert not DeadLetter.objects.exists()


def test_many_are_discarded_by_filter() -> None:
    make_dead(3, kind="invalid")
    make_dead(2, kind="timeout")
    assert discard_dead_letters(selection=DeadLetterFilter(kind="invalid"), actor="olga", most=10) == 3
    assert letters.count(ANY) == 2
    assert count_by_state() == {"dead": 5}
    assert Event.objects.filter(kind="discard").count() == 3


def test_only_a_dead_job_is_discarded() -> None:
    with pytest.raises(WrongStateError):
        discard_dead_letter(job_id=make_job(state=State.CANCELLED).id, actor="olga")
    with pytest.raises(JobNotFoundError):
        discard_dead_letter(job_id=uuid4(), actor="olga")


def test_each_dead_letter_is_decided_once_when_operators_replay_and_discard_at_once() -> None:
    count = 400
    make_dead(count)
    acts: list[Callable[..., int]] = [
        replay_dead_letters,
        discard_dead_letters,
        replay_dead_letters,
        discard_dead_letters,
    ]
    counts = at_once([partial(act, selection=ANY, actor="olga", most=count) for act in acts])
    assert sum(counts) == count, counts
    assert Event.objects.count() == count
    assert count_by_state().get("queued", 0) == Outbox.objects.count() == counts[0] + counts[2]


def test_groups_are_read_from_their_index_alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('enable_seqscan', 'on', false)")
        make_dead(2_000, traceback="t" * 1_000)
        cursor.execute("VACUUM (ANALYZE) jobs_deadletter")
        values = {**dict.fromkeys(("model", "kind", "fingerprint", "since", "until")), "most": 9}
        cursor.execute(f"EXPLAIN {letters.GROUPS.sql}", {**values, "looked_at": 100})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Index Only Scan using dead_letter_groups" in plan
    assert "Seq Scan" not in plan
