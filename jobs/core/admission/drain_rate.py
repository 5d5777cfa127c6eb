"""How fast a model's workers end jobs, learned from the ledger. Pure.

While more waits than the workers can hold, what they end a second is the rate. While less waits, they would
end more than they are given: then the rate is that of full batches, as far as the ledger shows what a batch
takes, corrected by what that came to when the queue last stood.
"""

from __future__ import annotations

from dataclasses import dataclass

STANDS_BATCHES = 2  # of full ones that wait for each worker: no device runs dry
STANDS_LOOKS = 2  # so often in a row
_LEARN = 0.2
_LEAST, _MOST = 0.1, 1.5


@dataclass(frozen=True, slots=True)
class Ran:
    """What the ledger shows of a model's batches that ended lately: `per_item` is padded size an item.

    A run of padded size x takes `fixed_s + per_unit_s * x`; `per_unit_s` is None where all were of one size.
    """

    jobs: int
    batches: int
    ran_s: float
    per_item: float
    fixed_s: float
    per_unit_s: float | None
    answer_s: float
    max_batch: int
    max_padded_size: int = 0

    @property
    def full(self) -> int:
        """Return how many items a full batch has."""
        fits = int(self.max_padded_size / self.per_item) if self.max_padded_size and self.per_item else None
        return max(1, self.max_batch if fits is None else min(self.max_batch, fits))

    @property
    def capacity_per_s(self) -> float:
        """Return the jobs a second that full batches come to on one lane, as the runs show it."""
        mean_s, mean = self.ran_s / self.batches, self.jobs / self.batches
        if self.per_unit_s is None or self.per_unit_s < 0 or self.fixed_s < 0:
            seconds = mean_s * (1.0 + max(0.0, self.full / mean - 1.0) / 2.0)  # half of it grows with size
        else:
            seconds = self.fixed_s + self.per_unit_s * self.full * self.per_item
        return self.full / seconds if seconds > 0.0 else 0.0


class DrainRate:
    """One model's rate over all of its workers."""

    def __init__(self) -> None:
        self.ran: Ran | None = None
        self._ended_per_s = 0.0
        self._looks = 0
        self._efficiency = 1.0

    def look(
        self, *, waiting: int, ended: int, seconds: float, workers: int, ran: Ran | None
    ) -> float | None:
        """Learn from `seconds` in which `ended` jobs ended and after which `waiting` wait; return the rate.

        None where there is no worker or no run was ever seen.
        """
        self.ran = ran or self.ran
        if not workers or self.ran is None:
            self._looks, self._ended_per_s = 0, 0.0
            return None
        stands = waiting >= STANDS_BATCHES * self.ran.full * workers
        self._looks = self._looks + 1 if stands else 0
        fresh, now_per_s = self._looks <= STANDS_LOOKS, ended / seconds
        self._ended_per_s = (
            now_per_s if fresh else self._ended_per_s + _LEARN * (now_per_s - self._ended_per_s)
        )
        return self._rate(self.ran.capacity_per_s * workers)

    def _rate(self, capacity_per_s: float) -> float | None:
        if self._looks > STANDS_LOOKS and self._ended_per_s:
            if capacity_per_s:
                self._efficiency = min(max(self._ended_per_s / capacity_per_s, _LEAST), _MOST)
            return self._ended_per_s
        return max(self._efficiency * capacity_per_s, self._ended_per_s) or None
