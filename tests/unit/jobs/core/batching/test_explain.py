"""A batch's row answers "why was my batch this size?" in a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.core.batching.explain import LedgerEntry, why_this_size
from jobs.core.batching.sealed_batch import SealReason

ROW: dict[str, Any] = {"size": 5, "padded_size": 5, "waited_s": 0.012, "max_batch": 64, "p95_goal_s": 2.0}
PADDED = {"padded": True, "padded_size": 3_500, "max_padded_size": 4_096}


def why(reason: str, **fields: Any) -> str:
    return why_this_size(LedgerEntry(**ROW | {"seal_reason": reason} | fields))


@pytest.mark.parametrize(
    ("reason", "fields", "because"),
    [
        ("full", {"size": 64}, "it was full"),
        ("full", {"size": 60}, "it was full, but 4 had ended or were running elsewhere when it was claimed"),
        ("full", PADDED, "one more would have exceeded the padded size allowed"),
        ("deadline", {"size": 1}, "a larger one would have taken a member past its deadline"),
        ("slo", {}, "a larger one would have missed the goal of 2.00 s: the oldest had waited 12 ms"),
        ("memory", {}, "a larger one would not have fitted the device's memory, as one before did not"),
        ("idle", {}, "the device was free, or about to be, and no others waited"),
        (
            "idle",
            {"padded": True},
            "the device was free, or about to be, and no others of a length that suits",
        ),
        (
            "linger",
            {},
            "it had waited 12 ms for more, and more were not expected soon enough to pay",
        ),
        (
            "slice",
            {"slow_slice_s": 0.5},
            "a larger one would have held the worker's only lane for more than 500 ms",
        ),
        ("drain", {}, "the worker was stopping, and sealed the jobs that it held"),
        ("whim", {}, "it was sealed for the reason 'whim'"),
    ],
)
def test_the_sentence_names_the_reason_with_its_numbers(
    reason: str, fields: dict[str, Any], because: str
) -> None:
    size = fields.get("size", 5)
    start = f"{size} job{'' if size == 1 else 's'} of at most 64: {because}"
    assert why(reason, **fields).startswith(start)


def test_padding_is_explained_where_it_counts() -> None:
    assert why("full", size=64).endswith("it was full.")
    assert why("full", **PADDED).endswith(" Padded to the longest it came to 3,500 bytes of at most 4,096.")
    assert why("idle", padded=True, padded_size=1_234).endswith(
        " Padded to the longest it came to 1,234 bytes."
    )


@pytest.mark.parametrize("reason", list(SealReason))
def test_every_reason_that_the_policy_gives_has_a_sentence_of_its_own(reason: SealReason) -> None:
    assert "for the reason" not in why(reason)


def test_a_slow_batch_names_its_lane() -> None:
    assert why("full", slow=True).endswith(" It is of the slow lane, which leaves room for fast batches.")


def test_a_batch_of_none_has_a_sentence_as_well() -> None:
    assert why("full", size=0, padded_size=0, max_padded_size=100).startswith("0 jobs of at most 64")
