"""What the last comparisons found, for pages of metrics."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg

from jobs.db.statement import Statement, run

MOST = 200  # fields on a page, those that are farthest from their reference


class DriftFigure(NamedTuple):
    """The last compared hour of a field, and whether it and the hour before both count."""

    model: str
    version: str
    field: str
    psi: float
    drifts: bool


# By the index on the hour: a version has one row an hour and field, however many jobs it has.
_FIGURES = Statement(
    """
WITH last AS (
  SELECT DISTINCT ON (version_id, field) version_id, field, hour, psi, exceeds FROM jobs_drifthour
  WHERE hour >= now() - interval '3 hours' ORDER BY version_id, field, hour DESC
)
SELECT model.name AS model, version.version, now_.field, now_.psi,
  now_.exceeds AND coalesce(before.exceeds, false) AS drifts
FROM last now_
JOIN models_registry_modelversion version ON version.id = now_.version_id
JOIN models_registry_registeredmodel model ON model.id = version.model_id
LEFT JOIN jobs_drifthour before ON before.version_id = now_.version_id AND before.field = now_.field
  AND before.hour = now_.hour - interval '1 hour'
WHERE now_.psi IS NOT NULL
ORDER BY drifts DESC, now_.psi DESC LIMIT %(most)s
""",
    DriftFigure,
)


def read_drift(session: psycopg.Connection[Any]) -> list[DriftFigure]:
    """Return the figures of fields that were compared within three hours; psycopg.Error."""
    return run(session, _FIGURES, {"most": MOST})
