"""Reads the history of one model, or of all together, as columns without a hole."""

from __future__ import annotations

from typing import Any, NamedTuple

from jobs.core.operations.history_columns import columns_of
from jobs.core.operations.operations_history import LAG_S, STEP_S, STEPS, History, HistorySpan
from jobs.db.statement import Statement, fetch_all
from jobs.services.operations.reading_statements import StepRow

ALL = ""


class _KnownSpan(NamedTuple):
    """The database's time, and the models of a span."""

    now: float
    models: list[str]


_RANGE = Statement(
    """
SELECT extract(epoch FROM clock_timestamp())::float8 AS now, ARRAY(
  SELECT name::text FROM models_registry_registeredmodel ORDER BY name
) AS models
""",
    _KnownSpan,
)
_STEPS = Statement(
    """
SELECT queue, at, in_per_s, out_per_s, waiting, oldest_s, p50_s, p95_s, p99_s, batch_size, failed_per_s,
  workers
FROM jobs_operationsstep
WHERE step_s = %(step_s)s AND at >= %(begin)s AND at < %(end)s AND queue = ANY(%(queues)s) ORDER BY at
""",
    StepRow,
)


def read_history(span: HistorySpan, model: str) -> History:
    """Return the history of `model`, of all together where it is empty; UnavailableError."""
    (known,) = fetch_all(_RANGE)
    step_s = STEP_S[span]
    # The newest step is over, and recorded unless the recorder is late.
    end = int(known.now - LAG_S - 1) // step_s * step_s
    values: dict[str, Any] = {
        "step_s": step_s, "begin": end - STEPS[span] * step_s, "end": end, "queues": [ALL, model],
    }  # fmt: skip
    rows = fetch_all(_STEPS, values)
    newest = max((row.at for row in rows), default=None)
    return History(
        span=span,
        step_s=step_s,
        model=model,
        models=known.models,
        age_s=None if newest is None else max(known.now - newest - step_s, 0.0),
        at=[*range(values["begin"], end, step_s)],
        **columns_of(
            begin=values["begin"],
            steps=STEPS[span],
            step_s=step_s,
            points=[row.point for row in rows if row.queue == model],
            recorded=[row.at for row in rows if row.queue == ALL],
        ),
    )
