"""What the shadows of rules in force show on pages of metrics."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg

from jobs.db.statement import Statement, run


class ShadowFigures(NamedTuple):
    """A shadow in figures; `stopped`: by the platform; `failed` are copies that it alone failed."""

    model: str
    alias: str
    stopped: bool
    open: int
    run: int
    old: int
    unwanted: int
    lost: int
    failed: int
    compared: int
    agreed: int

    @property
    def copies(self) -> dict[str, int]:
        """Return how many copies there were, by what became of them."""
        names = ("open", "run", "old", "unwanted", "lost")
        return {name: getattr(self, name) for name in names}


_FIGURES = Statement(
    """
SELECT model, alias, state = 'stopped' AND actor = 'platform' AS stopped, open, run, old, unwanted, lost,
  COALESCE((counts #>> '{pairs,candidate_alone_failed}')::int, 0) AS failed,
  COALESCE((counts #>> '{pairs,compared}')::int, 0) AS compared,
  COALESCE((counts #>> '{pairs,agreed}')::int, 0) AS agreed
FROM jobs_shadow WHERE state <> 'ended' ORDER BY model, alias
""",
    ShadowFigures,
)


def read_shadows(session: psycopg.Connection[Any]) -> list[ShadowFigures]:
    """Return the figures of the shadows of all rules in force; psycopg.Error."""
    return run(session, _FIGURES)
