"""Runs the same stored inputs under two versions, back to back, in random order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import msgspec

from jobs.core.failures import Outcome
from jobs.core.trials.outcome_pairs import OutcomePair
from jobs.services.trials.stored_inputs import StoredInput
from jobs.worker.trials.trial_batch import TrialRun, run_items
from jobs.worker.trials.trial_desk import TrialPlace
from jobs.worker.trials.trial_inputs import ReadInputs, claimed, read_for
from models_registry.core.runner import Item
from models_registry.loaders.ready import Loaded


@dataclass(frozen=True, slots=True)
class PairedRun:
    """Some rows under both versions: a pair for each that could be read, and the others.

    `seconds` are the candidate's and the stable's, the latter None without one; None where one of the two
    did not run all items that the other ran. `digests` tell equal inputs, in memory alone.
    """

    pairs: list[OutcomePair]
    unreadable: list[StoredInput]
    seconds: tuple[float, float | None] | None
    size: int
    digests: list[bytes]


class Desk(Protocol):
    """Lends the device, for one batch at a time."""

    @property
    def place(self) -> TrialPlace: ...  # noqa: D102

    def wait_for_turn(self) -> None:
        """Wait until a batch may run; TrialStoppedError."""

    def go_on(self) -> None:
        """Let the second of both runs follow the first, or raise what gives up both."""


def paired_runs(
    desk: Desk, rows: Sequence[StoredInput], candidate: Loaded, stable: Loaded | None
) -> Iterator[PairedRun]:
    """Run rows in as few batches as their inputs fit memory; waits for a turn before each."""
    while rows:
        desk.wait_for_turn()
        ours = read_for(candidate, rows)
        theirs = None if stable is None else read_for(stable, rows)
        number = min(ours.full_at, ours.full_at if theirs is None else theirs.full_at)
        yield _paired(desk, rows[:number], (candidate, ours), (stable, theirs))
        rows = rows[number:]


def _paired(
    desk: Desk,
    rows: Sequence[StoredInput],
    ours: tuple[Loaded, ReadInputs],
    theirs: tuple[Loaded | None, ReadInputs | None],
) -> PairedRun:
    reads = [read for _, read in (ours, theirs) if read is not None]
    unreadable = {at for at in range(len(rows)) if any(at in read.unreadable for read in reads)}
    chosen = [at for at in range(len(rows)) if at not in unreadable]
    runs = _in_random_order(desk, rows, chosen, [ours, theirs])
    pairs = [
        OutcomePair(rows[at].job, runs[0].outcomes[at], runs[1].outcomes[at] if theirs[1] else None)
        for at in chosen
    ]
    digests = [_digest(ours[1].items.get(at)) for at in chosen]
    whole = [len(read.items.keys() & set(chosen)) for read in reads]
    seconds = (runs[0].seconds, runs[1].seconds if theirs[1] else None)
    same = bool(whole[0]) and len(set(whole)) == 1
    left = [rows[at] for at in sorted(unreadable)]
    return PairedRun(pairs, left, seconds if same else None, whole[0], digests)


def _in_random_order(
    desk: Desk,
    rows: Sequence[StoredInput],
    chosen: Sequence[int],
    sides: Sequence[tuple[Loaded | None, ReadInputs | None]],
) -> list[TrialRun]:
    """Run each side, the first or the second of them first, as chance has it; their runs in their order."""
    runs = [TrialRun({}, 0.0)] * len(sides)
    jobs = [claimed(rows[at]) for at in chosen]
    guarded = any(rows[at].encrypts for at in chosen)
    order = [side for side in random.sample(range(len(sides)), len(sides)) if sides[side][0] is not None]
    for number, side in enumerate(order):
        loaded, read = sides[side]
        if loaded is None or read is None:
            continue
        if number:
            desk.go_on()
        items = {at: read.items[at] for at in chosen if at in read.items}
        refused: dict[int, Outcome] = {at: read.refuses[at] for at in chosen if at in read.refuses}
        ran = TrialRun({}, 0.0)
        if items:
            ran = run_items(desk.place.beside, loaded, items, jobs=jobs, guarded=guarded)
        runs[side] = TrialRun(ran.outcomes | refused, ran.seconds)
    desk.place.turn.ran(sum(run.seconds for run in runs))
    return runs


def _digest(item: Item | None) -> bytes:
    """Return what equal inputs have in common; empty for an input that the version refuses."""
    if item is None:
        return b""
    try:
        return sha256(msgspec.json.encode([item.input, dict(item.parameters)], order="sorted")).digest()
    except (TypeError, ValueError):  # files: they are taken for different
        return b""
