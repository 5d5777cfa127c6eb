"""The times of a model version, learned from what the platform recorded of its batches."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jobs.core.errors import NoHistoryError
from jobs.core.ids import first_id_at
from jobs.core.simulation.learning.learned_times import LearnedTimes, learn
from jobs.core.simulation.learning.observed_batch import ObservedBatch
from jobs.core.simulation.learning.robust_fit import median
from jobs.db.statement import fetch_all
from jobs.services.simulation.ledger_statements import LOADS, NOW_MS, RUNS, SIZES, LedgerRun
from models_registry import selectors
from models_registry.core.version import VersionInfo

__all__ = ["LearnedTimes", "learn_times", "version_of"]

MOST_RUNS = 2_000  # the newest batches of the version that are learned from
MOST_SCANNED = 50_000  # the newest batches of all versions among which they are looked for
MOST_SIZES = 2_000


def learn_times(*, model: str, version: str | None = None, window_s: float) -> LearnedTimes:
    """Return the times of the model's version, None for that of its default alias, in the last `window_s`.

    ModelNotFoundError, or NoHistoryError where none of its batches ran then; UnavailableError.
    """
    info = version_of(model, version)
    first = _first_id(window_s)
    batches = _observed(info, first, window_s=window_s)
    sizes: Sequence[int] = ()
    if info.padded:
        bounds = {"version": info.id, "first": first, "scanned": MOST_SCANNED, "most": MOST_SIZES}
        sizes = fetch_all(SIZES, bounds)
    loads_s = fetch_all(LOADS, {"version": info.id})
    return learn(batches, sizes=sizes, load_s=median([(s, 1.0) for s in loads_s]) if loads_s else None)


def _first_id(window_s: float) -> UUID:
    """Return the least id of a row that was made in the last `window_s` seconds of the database's clock."""
    return first_id_at(fetch_all(NOW_MS)[0] - int(window_s * 1_000.0))


def _observed(info: VersionInfo, first: UUID, *, window_s: float) -> list[ObservedBatch]:
    """Return the version's newest batches from an id on; NoHistoryError where there are none."""
    bounds = {"version": info.id, "first": first, "scanned": MOST_SCANNED, "most": MOST_RUNS}
    rows = fetch_all(RUNS, bounds)
    if not rows:
        raise NoHistoryError(
            f"No batch of {info} ran without a failure in the last {window_s:g} s (among the newest"
            f" {MOST_SCANNED:,} batches of all models). Run some jobs of it first, or look further back."
        )
    return [_batch(row, padded=info.padded) for row in rows]


def version_of(model: str, version: str | None) -> VersionInfo:
    """Return the version that `model` and `version` name; ModelNotFoundError."""
    return selectors.resolve(model if version is None else f"{model}:{version}")


def _batch(row: LedgerRun, *, padded: bool) -> ObservedBatch:
    return ObservedBatch(
        worker=row.worker,
        lanes=row.lanes,
        items=row.items,
        units=row.padded_size if padded else row.items,
        sealed_s=row.sealed_s,
        claim_s=row.claim_s,
        lane_s=row.lane_s,
        ran_s=row.ran_s,
        settling_s=row.settling_s,
        delivered_s=tuple(row.delivered_s),
    )
