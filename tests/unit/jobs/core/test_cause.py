"""The cause of a job's longest wait follows from one table."""

from __future__ import annotations

import pytest

from jobs.core.cause import HOLDS, RULES, Cause, Circumstances, WentBefore, cause_of, explain
from jobs.core.timeline.attempt_marks import JobStage


def now(**facts: object) -> Circumstances:
    return Circumstances(**{"wait_s": 10.0, **facts})  # type: ignore[arg-type]  # of the table below


@pytest.mark.parametrize("part", [JobStage.OUTBOX, JobStage.BROKER, JobStage.BUFFER, JobStage.BACKOFF])
@pytest.mark.parametrize("hold", HOLDS)
def test_what_held_for_more_than_half_of_the_wait_is_its_cause(part: JobStage, hold: Cause) -> None:
    assert cause_of(part, now(held_s={hold: 5.1})) is hold
    assert cause_of(part, now(held_s={hold: 5.0})) is not hold or part is JobStage.BACKOFF


def test_of_several_the_first_in_the_list_counts() -> None:
    assert cause_of(JobStage.OUTBOX, now(held_s=dict.fromkeys(reversed(HOLDS), 9.0))) is HOLDS[0]


@pytest.mark.parametrize(
    ("before", "cause"),
    [
        (WentBefore(), Cause.BACKLOG),
        (WentBefore(higher=5, others=4, own=4), Cause.PRIORITY),
        (WentBefore(higher=4, others=5, own=4), Cause.FAIR_SHARE),
        (WentBefore(higher=4, others=4, own=5), Cause.BACKLOG),
    ],
)
@pytest.mark.parametrize("part", [JobStage.OUTBOX, JobStage.BROKER, JobStage.LANE])
def test_else_those_that_went_before_it_are(part: JobStage, before: WentBefore, cause: Cause) -> None:
    assert cause_of(part, now(before=before)) is cause


@pytest.mark.parametrize(
    ("part", "facts", "cause"),
    [
        (JobStage.FOLLOW, {}, Cause.FOLLOWS),
        (JobStage.BACKOFF, {}, Cause.BACKOFF),
        (JobStage.BUFFER, {"seal_reason": "linger", "buffer_s": 4.0, "busy_s": 1.0}, Cause.LINGER),
        (JobStage.BUFFER, {"seal_reason": "full", "buffer_s": 4.0, "busy_s": 1.0}, Cause.BATCHMATES),
        (
            JobStage.BUFFER,
            {"seal_reason": "full", "buffer_s": 4.0, "busy_s": 3.0, "before": WentBefore(higher=2)},
            Cause.PRIORITY,
        ),
        (JobStage.CLAIM, {}, Cause.DATABASE),
        (JobStage.RUN, {}, Cause.MODEL),
        (JobStage.RUN, {"size": 10, "longest": 21}, Cause.BATCHMATES),
        (JobStage.RUN, {"size": 11, "longest": 21}, Cause.MODEL),
        (JobStage.SETTLE, {}, Cause.SETTLE),
    ],
)
def test_other_parts_have_causes_of_their_own(part: JobStage, facts: dict[str, object], cause: Cause) -> None:
    assert cause_of(part, now(**facts)) is cause


def test_each_part_has_its_rule_and_each_cause_its_sentence() -> None:
    assert set(RULES) == set(JobStage)
    for cause in Cause:
        text = explain(cause, now(held_s={cause: 6.0}, before=WentBefore(2, 1, 1)), model="echo", part_s=6.0)
        assert text.endswith(".")
        assert "{" not in text
    assert explain(Cause.BACKLOG, now(), model="echo", part_s=6.0).startswith("It waited 6.00 s")


@pytest.mark.parametrize(
    ("before", "cause", "end"),
    [
        (WentBefore(own=1), Cause.BACKLOG, "and had come before it."),
        (WentBefore(higher=1), Cause.PRIORITY, "and had a higher priority."),
        (WentBefore(others=1), Cause.FAIR_SHARE, "and was another client's."),
    ],
)
def test_a_single_job_that_went_before_is_one(before: WentBefore, cause: Cause, end: str) -> None:
    text = explain(cause, now(before=before), model="echo", part_s=6.0)
    assert text == f"One job of echo was claimed before it, {end}"


@pytest.mark.parametrize("part", [JobStage.OUTBOX, JobStage.BROKER, JobStage.BUFFER])
def test_a_slow_job_behind_earlier_ones_waited_for_the_slow_lane(part: JobStage) -> None:
    slow = now(slow=True, seal_reason="idle", before=WentBefore(own=7))
    assert cause_of(part, slow) is Cause.SLOW_LANE
    said = explain(Cause.SLOW_LANE, slow, model="m", part_s=10.0)
    assert said.startswith("It waited for the slow lane")
    assert "7 other jobs of m" in said


def test_a_slow_job_that_was_held_or_passed_by_others_has_that_cause() -> None:
    assert cause_of(JobStage.OUTBOX, now(slow=True, held_s={Cause.PAUSED: 9.0})) is Cause.PAUSED
    assert cause_of(JobStage.BUFFER, now(slow=True, before=WentBefore(higher=3))) is Cause.PRIORITY
