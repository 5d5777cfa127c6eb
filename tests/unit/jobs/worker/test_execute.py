"""A batch that raises is split until the guilty stands alone."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import pytest

from jobs.core.failures import Failure, FailureKind
from jobs.worker.execute import execute, failure_of
from jobs.worker.work import Piece
from models_registry.core.errors import InvalidInputError, RetryableError
from models_registry.core.runner import Item


class Guarded:
    """Raises for a batch that holds a guilty input; counts its runs."""

    def __init__(self, guilty: set[int]) -> None:
        self.guilty, self.runs = guilty, 0

    def key(self, item: Item) -> Hashable:  # noqa: ARG002  # the protocol's
        return ()

    def collate(self, items: Sequence[Item]) -> list[Any]:
        return [item.input for item in items]

    def run(self, batch: list[Any]) -> list[Any]:
        self.runs += 1
        if self.guilty & set(batch):
            raise ValueError("guilty")
        return batch

    def outputs(self, raw: list[Any]) -> list[Any]:
        return raw


def ran(count: int, guilty: set[int]) -> tuple[Guarded, dict[int, Any]]:
    runner = Guarded(guilty)
    whole = Piece(list(range(count)), [Item(number) for number in range(count)])
    verdicts: dict[int, Any] = {}
    for piece in execute(runner, whole):
        raws = [piece.raw] * len(piece.at) if isinstance(piece.raw, Failure) else piece.raw
        for at, raw in zip(piece.at, raws, strict=True):
            assert at not in verdicts
            verdicts[at] = raw
    return runner, verdicts


@pytest.mark.parametrize("guilty", [set(), {0}, {31}, {63}, {3, 40}, set(range(64))])
def test_only_the_guilty_fail_and_each_has_one_verdict(guilty: set[int]) -> None:
    _, verdicts = ran(64, guilty)
    assert sorted(verdicts) == list(range(64))
    assert {at for at, raw in verdicts.items() if isinstance(raw, Failure)} == guilty
    assert all(raw == at for at, raw in verdicts.items() if not isinstance(raw, Failure))


@pytest.mark.parametrize("guilty", [{0}, {17}, {3, 40}])
def test_finding_a_guilty_item_costs_at_most_two_log_runs(guilty: set[int]) -> None:
    runner, _ = ran(64, guilty)
    assert runner.runs - 1 <= len(guilty) * 2 * math.log2(64)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (InvalidInputError("no"), FailureKind.INVALID, "invalid_input"),
        (RetryableError("later"), FailureKind.TRANSIENT, "retryable"),
        (MemoryError(), FailureKind.RESOURCE, "MemoryError"),
        (TimeoutError(), FailureKind.TIMEOUT, "TimeoutError"),
        (ValueError("odd"), FailureKind.INTERNAL, "ValueError"),
    ],
)
def test_an_exception_has_a_kind_and_a_stable_code(error: Exception, kind: FailureKind, code: str) -> None:
    failure = failure_of(error)
    assert (failure.kind, failure.code) == (kind, code)
    assert failure.message


def test_a_failure_keeps_where_it_came_from_and_is_bounded() -> None:
    def deep(level: int) -> None:
        if level:
            deep(level - 1)
        raise ValueError("x" * 50_000)

    with pytest.raises(ValueError, match="x") as caught:
        deep(200)
    failure = failure_of(caught.value)
    assert len(failure.traceback) <= 8_000
    assert len(failure.message) <= 2_000


def test_a_message_that_postgres_or_utf8_cannot_hold_is_made_storable() -> None:
    failure = failure_of(ValueError("a\0b\ud800c"))
    assert "\0" not in failure.message + failure.traceback
    assert (failure.message + failure.traceback).encode()
