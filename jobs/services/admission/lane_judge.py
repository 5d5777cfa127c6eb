"""Reads which versions may be slow and how long they ran, and judges which jobs go to slow lanes.

Where no version of any model may be slow, a look is one statement every few seconds.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import sqlalchemy as sa

from jobs.core.admission.slow_versions import LaneOptions, RunLine, slow_sizes
from jobs.core.batching.lane_choice import Lane
from jobs.core.ids import first_id_at
from jobs.db.statement import Statement, run

LOOK_EVERY_S = 2.0
DUTY = 20.0  # the pause is so many times as long as the look
RUNS_S = 600.0  # the batches that were claimed within it count; a slow one takes long, and comes rarely
_NO_SIZES: Mapping[int, int] = {}


class _Options(NamedTuple):
    version: int
    model: str
    lane: str
    slow_above_s: float | None
    padded: bool
    max_batch: int
    max_padded_size: int


# Of the models with a version that may be slow; `selectors.slow_models` asks the same.
_OPTIONS = Statement(
    """
SELECT version.id AS version, model.name AS model, COALESCE(options->>'lane', 'fast') AS lane,
    (options->>'slow_above_s')::float8 AS slow_above_s, pads AS padded, max_batch, max_padded_size
FROM models_registry_modelversion version
JOIN models_registry_registeredmodel model ON model.id = version.model_id
WHERE model_id IN (
    SELECT model_id FROM models_registry_modelversion
    WHERE options->>'lane' IN ('slow', 'auto') OR options ? 'slow_above_s')
""",
    _Options,
)


class _Runs(NamedTuple):
    version: int
    mean_s: float
    largest: int
    fixed_s: float | None
    per_unit_s: float | None


_RUNS = Statement(
    """
SELECT version_id AS version, avg(ran_s) AS mean_s, max(padded_size) AS largest,
    regr_intercept(ran_s, padded_size) AS fixed_s, regr_slope(ran_s, padded_size) AS per_unit_s
FROM jobs_batch
WHERE id >= %(first)s AND version_id = ANY(%(versions)s::bigint[]) AND ran_s > 0 AND size > 0
GROUP BY version_id
""",
    _Runs,
)
_NOW_MS = Statement("SELECT CAST(extract(epoch FROM now()) * 1000 AS bigint)", int)


class SlowVersions:
    """What was judged last, by model; what a version took is remembered while it does not run."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read at the first look; `clock` returns monotonic seconds."""
        self._clock, self._due_at = clock, 0.0
        self._runs = dict[int, RunLine]()
        self._sizes: dict[str, dict[int, int]] = {}

    @property
    def models(self) -> list[str]:
        """Return the models that have a slow lane."""
        return sorted(self._sizes)

    def sizes(self, model: str) -> Mapping[int, int]:
        """Return by version the size of an input from which on its jobs are slow."""
        return self._sizes.get(model, _NO_SIZES)

    def look(self, session: sa.Connection) -> None:
        """Judge again where the last judgement is too old."""
        began_s = self._clock()
        if began_s < self._due_at:
            return
        by_model = defaultdict[str, list[LaneOptions]](list)
        for row in run(session, _OPTIONS):
            by_model[row.model].append(LaneOptions(**{**row._asdict(), "lane": Lane(row.lane)}))
        if by_model:
            self._learn(session, [each.version for part in by_model.values() for each in part])
        self._sizes = {
            model: slow_sizes(part, self._runs, self.sizes(model)) for model, part in by_model.items()
        }
        now_s = self._clock()
        self._due_at = now_s + max(LOOK_EVERY_S, DUTY * (now_s - began_s))

    def _learn(self, session: sa.Connection, versions: list[int]) -> None:
        (now_ms,) = run(session, _NOW_MS)
        first = first_id_at(now_ms - int(RUNS_S * 1_000))
        for row in run(session, _RUNS, {"first": first, "versions": versions}):
            self._runs[row.version] = RunLine(row.mean_s, row.largest, row.fixed_s, row.per_unit_s)
