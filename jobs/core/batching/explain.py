"""Explains the size of a batch in a sentence for people, from its row of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.core.batching.sealed_batch import SealReason


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """A batch as the ledger has it, and the limits of its model version; a limit of 0 means none.

    `size` counts the claimed jobs, `padded_size` covers all sealed ones.
    """

    size: int
    padded_size: int
    seal_reason: str
    waited_s: float
    max_batch: int
    max_padded_size: int = 0
    padded: bool = False
    p95_goal_s: float = 0.0
    isolation_group: int = 0
    slow: bool = False
    slow_slice_s: float = 0.0

    @property
    def full_by_padding(self) -> bool:
        """Return whether one more job as long as the longest would have exceeded `max_padded_size`."""
        return bool(self.max_padded_size) and (
            self.padded_size * (self.size + 1) > self.max_padded_size * max(self.size, 1)
        )


_BECAUSE: Mapping[str, str] = {
    SealReason.DEADLINE: "a larger one would have taken a member past its deadline",
    SealReason.SLO: "a larger one would have missed the goal of {goal}: the oldest had waited {waited}",
    SealReason.MEMORY: "a larger one would not have fitted the device's memory, as one before did not",
    SealReason.BYTES: "the inputs of a larger one would have taken more memory than a batch may",
    SealReason.IDLE: "the device was free, or about to be, and no {others} waited",
    SealReason.LINGER: "it had waited {waited} for more, and more were not expected soon enough to pay",
    SealReason.SLICE: "a larger one would have held the worker's only lane for more than {slice}",
    SealReason.DRAIN: "the worker was stopping, and sealed the jobs that it held",
}


def why_this_size(entry: LedgerEntry) -> str:
    """Return how many jobs of how many possible ran together, and why no more."""
    jobs = f"{entry.size} job{'' if entry.size == 1 else 's'}"
    isolation = " They ran apart, as a worker had died with them in hand." if entry.isolation_group else ""
    lane = " It is of the slow lane, which leaves room for fast batches." if entry.slow else ""
    return f"{jobs} of at most {entry.max_batch}: {_reason(entry)}.{_padding(entry)}{isolation}{lane}"


def _reason(entry: LedgerEntry) -> str:
    if entry.seal_reason == SealReason.FULL:
        return _full(entry)
    template = _BECAUSE.get(entry.seal_reason, "it was sealed for the reason {reason!r}")
    return template.format(
        reason=entry.seal_reason,
        waited=seconds(entry.waited_s),
        goal=seconds(entry.p95_goal_s),
        slice=seconds(entry.slow_slice_s),
        others="others of a length that suits" if entry.padded else "others",
    )


def _full(entry: LedgerEntry) -> str:
    if entry.size >= entry.max_batch:
        return "it was full"
    if entry.full_by_padding:
        return "one more would have exceeded the padded size allowed"
    missing = entry.max_batch - entry.size
    return f"it was full, but {missing} had ended or were running elsewhere when it was claimed"


def _padding(entry: LedgerEntry) -> str:
    if not (entry.padded or entry.max_padded_size):
        return ""
    most = f" of at most {entry.max_padded_size:,}" if entry.max_padded_size else ""
    return f" Padded to the longest it came to {entry.padded_size:,} bytes{most}."


def seconds(value_s: float) -> str:
    """Format a time for people, below a second in milliseconds."""
    return f"{value_s * 1000:,.0f} ms" if value_s < 1 else f"{value_s:,.2f} s"
