"""What the database counts of an A/B test, arm by arm. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from models_registry.core.rollouts.statistics.mean_interval import Moments


class ExposedJobs(Struct, frozen=True):
    """The jobs that were given to an arm, whatever became of them.

    `failed` are dead ones, of `answered` and dead ones `errors` has the part of each key that failed. `moved`
    were answered by another version: a circuit was open, or they were replayed under another rule or pinned
    again. Times are in seconds.
    """

    exposed: int = 0
    keys: int = 0
    finished: int = 0
    answered: int = 0
    failed: int = 0
    moved: int = 0
    with_feedback: int = 0
    p95_s: float | None = None
    device_s: float = 0.0
    errors: Moments = Moments()


class NamedValues(Struct, frozen=True):
    """The numbers that one name of feedback has in an arm: how many jobs have one, and the means of keys."""

    jobs: int
    keys: Moments


class AbCounts(Struct, frozen=True):
    """All that was counted: jobs by version, numbers by name and version, labels by name, label, version.

    `is_whole` is false where the test has more jobs than are counted: then these are its first ones.
    """

    jobs: Mapping[str, ExposedJobs]
    numbers: Mapping[str, Mapping[str, NamedValues]]
    labels: Mapping[str, Mapping[str, Mapping[str, int]]]
    is_whole: bool = True
