"""What an A/B test has shown, in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from models_registry.core.rollouts.statistics.sample_ratio import INVALID_P

LEAST_KEYS = 20  # of an arm: before, every difference is possible


class _BoundedDifference(Protocol):
    @property
    def difference(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def certain(self) -> bool: ...


class ComparedArm(Protocol):
    """One arm's mean beside the reference's."""

    @property
    def version(self) -> str:
        """Return the arm's version."""
        ...

    @property
    def difference(self) -> _BoundedDifference | None:
        """Return how far it is from the reference's."""
        ...


def unit_words(sticky: str) -> str:
    """Return what is drawn by chance, so what is counted as one value."""
    if sticky == "job":
        return "jobs"
    return {"client": "clients", "input": "different inputs"}.get(sticky, "values of the sticky key")


def answered_elsewhere(arms: Iterable[tuple[str, int, int]]) -> str:
    """Return of which arms, given as version, `moved` and exposed jobs, other versions answered jobs."""
    found = [f"{moved:,} of {exposed:,} jobs of {version}" for version, moved, exposed in arms if moved]
    return f"{' and '.join(found)} were answered by another version" if found else ""


def refused_words(arms: Iterable[tuple[str, float, int]], lasted_s: float) -> str:
    """Return of which arms, given as version, seconds and clients, open circuits had jobs refused."""
    found = list[str]()
    for version, seconds, clients in arms:
        if seconds:
            found.append(
                f"jobs of {version} were refused for {seconds:,.0f} of {lasted_s:,.0f} s, because its circuit"
                " was open, and are in no figure"
            )
        if clients:
            found.append(
                f"jobs of {clients:,} client{'' if clients == 1 else 's'} at {version} were refused, because"
                " their own circuits were open, and are in no figure"
            )
    return "; ".join(found)


def invalid_sentence(elsewhere: str, refused: str, odd_shares_p: float | None, *, is_moved: bool) -> str:
    """Return why a test says nothing: by the sample ratio, given where that is odd, or by its remarks.

    `is_moved`: what is said of jobs that were answered elsewhere is reason enough.
    """
    if odd_shares_p is not None:
        return (
            f"INVALID: the arms did not get their shares (p = {odd_shares_p:.1g}, below {INVALID_P:g}), so no"
            " figure here says anything about the versions. Jobs of one arm were lost: "
            f"{refused or 'look at clients that name a version first'}."
        )
    moved = (
        f"INVALID: {elsewhere}, because a circuit was open or they were replayed, so the figures here are of"
        " several versions."
    )
    lost = f"{refused}, so no figure here says anything about the versions." if refused else ""
    if is_moved:
        return f"{moved} And {lost}" if lost else moved
    return f"INVALID: {lost}"


def difference_words(name: str, reference: str, arms: Sequence[ComparedArm]) -> Iterator[str]:
    """Yield what is certain of one mean, arm by arm."""
    for arm in arms:
        found = arm.difference
        if found is not None and found.certain and found.low is not None and found.high is not None:
            way = "higher" if found.difference > 0 else "lower"
            least, most = sorted((abs(found.low), abs(found.high)))
            yield f"{name} of {arm.version} is {way} than of {reference} by {least:.3g} to {most:.3g}"


def ab_sentence(*, exposed: int, keys: int, least_keys: int, sticky: str, certain: Sequence[str]) -> str:
    """Return what a valid test says: what is certain, or what it waits for."""
    if not exposed:
        return "No job has met an arm yet."
    seen = f"{exposed:,} jobs of {keys:,} {unit_words(sticky)}" if sticky != "job" else f"{exposed:,} jobs"
    if certain:
        return f"{seen}: {'; '.join(certain)}."
    if least_keys < LEAST_KEYS:
        return f"{seen}: an arm with fewer than {LEAST_KEYS} {unit_words(sticky)} says nothing yet."
    return f"{seen}: no difference is certain yet."
