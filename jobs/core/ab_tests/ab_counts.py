"""What the database counts of an A/B test, arm by arm. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from models_registry.core.rollouts.statistics.mean_interval import Moments


class ExposedJobs(Struct, frozen=True):
    """The jobs that were given to an arm, whatever became of them.

    `failed` have died, also where a replay answered them later, and `answered` have not; of both `errors` has
    the part of each key that failed. `moved` were answered by another version: a circuit was open, or they
    were replayed under another rule or pinned again. Times are in seconds; `device_s` is None where the
    ledger of batches does not reach back so far, or is too large to be read.
    """

    exposed: int = 0
    keys: int = 0
    finished: int = 0
    answered: int = 0
    failed: int = 0
    moved: int = 0
    with_feedback: int = 0
    p95_s: float | None = None
    device_s: float | None = 0.0
    errors: Moments = Moments()


class RefusedJobs(Struct, frozen=True):
    """For how long an arm's jobs were refused by circuits, and how many clients had their own refused."""

    seconds: float = 0.0
    clients: int = 0


class NamedValues(Struct, frozen=True):
    """The numbers that one name of feedback has in an arm: how many jobs have one, and the means of keys."""

    jobs: int
    keys: Moments


class AbCounts(Struct, frozen=True):
    """All that was counted: jobs by version, numbers by name and version, labels by name, label, version.

    `refused` is by version. `is_whole` is false where the test has more jobs than are counted: then these are
    its first ones. They came within `lasted_s` seconds.
    """

    jobs: Mapping[str, ExposedJobs]
    numbers: Mapping[str, Mapping[str, NamedValues]]
    labels: Mapping[str, Mapping[str, Mapping[str, int]]]
    refused: Mapping[str, RefusedJobs] = {}
    is_whole: bool = True
    lasted_s: float = 0.0
