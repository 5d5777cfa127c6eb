"""The gate: what a candidate shows on a worker before any job is routed to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jobs.core.failures import Failure, Success
from jobs.core.trials.batch_sizes import sizes_up_to
from jobs.core.trials.gate_report import GateFindings, gate_report, gate_sentence
from jobs.core.trials.outcome_pairs import code_of, value_of
from jobs.core.trials.trial_specs import GateSpec, spec_of
from jobs.models.rollouts.version_trial import TrialState
from jobs.services.trials.stored_inputs import StoredInput, recent_inputs
from jobs.services.trials.trial_rows import TrialEnd
from jobs.worker.trials.paired_runs import paired_runs
from jobs.worker.trials.trial_batch import run_items
from jobs.worker.trials.trial_desk import TrialDesk
from models_registry.core import schema
from models_registry.core.registry_errors import InvalidInputError, StoreFailedError
from models_registry.core.runner import Item, takes_files
from models_registry.loaders.ready import Loaded
from models_registry.shared.platform_errors import PlatformError

REPEATS = 5  # of each size, after one that is not counted
MOST_S = 30.0  # of a size: a slow model shows in fewer runs what it takes


def run_gate(desk: TrialDesk) -> TrialEnd:
    """Load both versions, run the example and stored inputs, and compare; TrialStoppedError."""
    found, stable = GateFindings(desk.place.loader.pool.device), desk.trial.stable
    assert stable is not None  # noqa: S101  # a roll-out has both versions
    with desk.held(stable) as theirs:
        found.stable = _needs(theirs)
        try:
            with desk.held(desk.trial.candidate) as ours:
                found.candidate = _needs(ours)
                _look(desk, ours, theirs, found)
        except StoreFailedError:
            raise
        except PlatformError as error:
            found.fault = f"The candidate cannot be loaded beside the stable version: {error}"
    report = gate_report(found)
    return TrialEnd(TrialState.DONE, gate_sentence(found), report)


def _needs(loaded: Loaded) -> dict[str, Any]:
    """Return what a version takes; bytes are None where they are not known."""
    return {
        "version": str(loaded.info),
        "load_s": loaded.load_s,
        "memory_bytes": loaded.memory_bytes or None,
        "working_bytes": loaded.working_bytes or None,
    }


def _look(desk: TrialDesk, ours: Loaded, theirs: Loaded, found: GateFindings) -> None:
    found.example = ours.info.example is not None
    found.fault = _fault_of_example(desk, ours)
    if found.fault:
        return
    spec = spec_of(GateSpec, desk.trial.spec)
    most = min(*(loaded.info.on(found.device).max_batch for loaded in (ours, theirs)), spec.most)
    model, candidate = desk.trial.model, desk.trial.candidate
    rows = recent_inputs(desk.session, model=model, candidate=candidate, most=most)
    if rows:
        _run_stored(desk, rows, (ours, theirs), found)
    elif found.example:
        _run_examples(desk, most, (ours, theirs), found)


def _fault_of_example(desk: TrialDesk, ours: Loaded) -> str:
    """Return what is wrong with the output of the version's own example; empty without a fault."""
    if ours.info.example is None:
        return ""
    desk.wait_for_turn()
    ran = run_items(desk.place.beside, ours, {0: Item(ours.info.example)})
    desk.place.turn.ran(ran.seconds)
    outcome = ran.outcomes[0]
    if isinstance(outcome, Failure):
        code = code_of(outcome, guarded=ours.info.secrecy.guarded)
        return f"The candidate fails on its own example ({code})."
    return _fault_of_output(ours, outcome)


def _fault_of_output(ours: Loaded, outcome: Success) -> str:
    info = ours.info
    try:
        schema.check(json.dumps(info.output_schema), value_of(outcome), "output", quoting=False)
    except InvalidInputError as error:
        return f"The candidate's output of its own example breaks its output schema: {error}"
    return ""


def _run_stored(
    desk: TrialDesk, rows: Sequence[StoredInput], sides: tuple[Loaded, Loaded], found: GateFindings
) -> None:
    """Run the stored inputs in batches of each size, the first of them once more than counted."""
    for size in sizes_up_to(len(rows)):
        spent, times = 0.0, 0
        while times <= REPEATS and spent < MOST_S:
            at = (times * size) % len(rows)
            part = [*rows[at:], *rows[:at]][:size]
            for run in paired_runs(desk, part, *sides):
                found.add_pairs(run.pairs)
                if run.seconds is not None:
                    spent += run.seconds[0] + (run.seconds[1] or 0.0)
                    if times:
                        found.times.add(run.size, *run.seconds)
            desk.note({"step": f"batches of {size}"})
            times += 1


def _run_examples(desk: TrialDesk, most: int, sides: tuple[Loaded, Loaded], found: GateFindings) -> None:
    """Run the example as often as a batch has room for: no input of a job is stored."""
    item, beside = Item(sides[0].info.example), desk.place.beside
    if takes_files(sides[0].runner) != takes_files(sides[1].runner):
        return  # the example of one is no input of the other
    for size in sizes_up_to(most):
        spent, times = 0.0, 0
        while times <= REPEATS and spent < MOST_S:
            desk.wait_for_turn()
            ours, theirs = (run_items(beside, side, dict.fromkeys(range(size), item)) for side in sides)
            desk.place.turn.ran(ours.seconds + theirs.seconds)
            spent += ours.seconds + theirs.seconds
            if times:
                found.times.add(size, ours.seconds, theirs.seconds)
            desk.note({"step": f"batches of {size}"})
            times += 1
