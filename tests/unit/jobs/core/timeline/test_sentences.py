"""Each part of an attempt has a sentence, for whatever happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.core.timeline.attempt_marks import JobStage, TimelinePart
from jobs.core.timeline.attempts import PauseReason, TimelineAttempt
from jobs.core.timeline.sentences import BatchWords, sentence

ZERO = datetime(2026, 11, 29, tzinfo=UTC)
BATCH = BatchWords(3, "linger", "gpu-0@host")


def told(
    part: JobStage,
    outcome: str = "succeeded",
    *,
    is_open: bool = False,
    pause: PauseReason = PauseReason.NONE,
) -> str:
    piece = TimelinePart(part, ZERO, ZERO + timedelta(seconds=1), is_open)
    attempt = TimelineAttempt(number=1, outcome=outcome, parts=[piece], pause=pause, failed_with="busy")
    return sentence(attempt, piece, BATCH)


@pytest.mark.parametrize("part", JobStage)
@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("pause", PauseReason)
def test_every_part_has_its_sentence(part: JobStage, is_open: bool, pause: PauseReason) -> None:  # noqa: FBT001
    text = told(part, is_open=is_open, pause=pause)
    assert text.endswith(".")
    assert "{" not in text


def test_sentences_name_the_worker_the_batch_and_the_failure() -> None:
    assert told(JobStage.BUFFER) == "It waited at gpu-0@host until its batch of 3 jobs was sealed: linger."
    assert "(busy)" in told(JobStage.BACKOFF, pause=PauseReason.RETRY)
    assert told(JobStage.RUN, "worker died").endswith("Then its worker died.")
    assert told(JobStage.OUTBOX, "cancelled").endswith("Then it was cancelled.")
    assert "Then" not in told(JobStage.SETTLE, "dead")


def test_sentences_say_that_the_stable_version_took_over() -> None:
    rescued = told(JobStage.BACKOFF, pause=PauseReason.RESCUED)
    assert rescued == "The candidate version had failed (busy): the stable version answers instead."
    assert "went to the stable version" in told(JobStage.BACKOFF, pause=PauseReason.REROUTED)
    assert told(JobStage.OUTBOX, "rerouted").endswith("and the job was taken back.")


def test_a_pruned_attempt_says_so() -> None:
    piece = TimelinePart(JobStage.RUN, ZERO, ZERO)
    attempt = TimelineAttempt(number=1, outcome="succeeded", parts=[piece], is_pruned=True)
    assert "was deleted" in sentence(attempt, piece)
    untimed = TimelineAttempt(number=1, outcome="worker died", parts=[piece])
    assert "no times were stored" in sentence(untimed, piece, BatchWords(1, "full", "w", is_timed=False))


@pytest.mark.parametrize("part", [JobStage.OUTBOX, JobStage.BROKER, JobStage.BUFFER])
@pytest.mark.parametrize("is_open", [False, True])
def test_the_waits_of_a_slow_job_name_its_lane(part: JobStage, is_open: bool) -> None:  # noqa: FBT001
    piece = TimelinePart(part, ZERO, ZERO + timedelta(seconds=1), is_open)
    attempt = TimelineAttempt(number=1, outcome="succeeded", parts=[piece])
    slow = BatchWords(1, "full", "w", slow=True)
    assert sentence(attempt, piece, slow).endswith(" It is in the slow lane.")
    assert "slow lane" not in sentence(attempt, piece, BatchWords(1, "full", "w"))
