"""Which versions live roll-outs watch, read by each worker once a second."""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa

from jobs.db.statement import Statement, run
from models_registry.core.rollouts.rollout_states import LIVE, RolloutState

ENDED_S = 3_600.0  # so long jobs of a roll-out that went back may still come to a worker
RECENT_BATCHES = 2_000  # of all versions, among which the stable one's runs are looked for
LEAST_LIMIT_S, TIMES_P99 = 5.0, 10.0


class Role(StrEnum):
    """What a version is in a roll-out."""

    CANDIDATE = "candidate"
    STABLE = "stable"


class WatchedVersion(NamedTuple):
    """A version's part in a roll-out.

    `is_live` is False of one that went back a short time ago. `rescue` means that the stable version answers
    what the candidate could not. An `unproven` or `stopped` candidate claims through the claim gate, and one
    of its batches may take `limit_s` seconds, 0 where that is not known.
    """

    rollout: int
    role: Role
    stable: int
    candidate: int
    rescue: bool = False
    unproven: bool = False
    stopped: bool = False
    limit_s: float = 0.0
    is_live: bool = True

    @property
    def gated(self) -> bool:
        """Return whether a claim of this version goes through the claim gate."""
        return self.role is Role.CANDIDATE and (self.unproven or self.stopped)


class _WatchedRow(NamedTuple):
    rollout: int
    stable: int
    candidate: int
    rescue: bool
    unproven: bool
    stopped: bool
    is_live: bool


EXPOSING = sorted({RolloutState.RUNNING.value, RolloutState.HELD.value, RolloutState.BAKING.value})
WENT_BACK = sorted({RolloutState.ROLLED_BACK.value, RolloutState.CANCELLED.value})
_READ = Statement(
    """
SELECT id AS rollout, stable_id AS stable, candidate_id AS candidate,
  COALESCE((plan->>'rescue')::bool, true) AS rescue, NOT proven AS unproven,
  share_ppm = 0 OR NOT state = ANY(%(exposing)s::text[]) AS stopped, state = ANY(%(live)s::text[]) AS is_live
FROM models_registry_rollout
WHERE state = ANY(%(live)s::text[])
  OR (state = ANY(%(went_back)s::text[]) AND ended_at > now() - make_interval(secs => %(ended_s)s))
ORDER BY id
""",
    _WatchedRow,
)
# By id from the newest on: no index knows a version's batches.
_P99_S = Statement(
    """
SELECT COALESCE(percentile_disc(0.99) WITHIN GROUP (ORDER BY ran_s), 0)::float8 AS p99_s FROM (
  SELECT version_id, ran_s FROM jobs_batch ORDER BY id DESC LIMIT %(most)s
) AS recent WHERE version_id = %(version)s AND ran_s IS NOT NULL
""",
    float,
)
_PARAMETERS = {
    "exposing": EXPOSING,
    "live": sorted(state.value for state in LIVE),
    "went_back": WENT_BACK,
    "ended_s": ENDED_S,
}


def read_watched(connection: sa.Connection) -> dict[int, tuple[WatchedVersion, ...]]:
    """Return, by version, its part in each roll-out that is live or went back a short time ago."""
    watched = defaultdict[int, list[WatchedVersion]](list)
    for row in run(connection, _READ, _PARAMETERS):
        watched[row.candidate].append(WatchedVersion(role=Role.CANDIDATE, **row._asdict()))
        if row.is_live:
            watched[row.stable].append(WatchedVersion(row.rollout, Role.STABLE, row.stable, row.candidate))
    return {version: tuple(parts) for version, parts in watched.items()}


def limit_s(connection: sa.Connection, stable: int) -> float:
    """Return how long a batch of an unproven candidate may take, in seconds; 0: the stable has no runs."""
    (p99_s,) = run(connection, _P99_S, {"version": stable, "most": RECENT_BATCHES})
    return max(LEAST_LIMIT_S, TIMES_P99 * p99_s) if p99_s else 0.0
