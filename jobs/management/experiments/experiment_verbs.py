"""What each verb of `manage.py experiment` does: the lines that it prints, and its exit status."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from jobs.core.loadtest.load_report import LoadReport
from jobs.core.loadtest.load_words import LoadWordError
from jobs.management.experiments.measured_ground import measured_ground
from jobs.management.loadtest.load_arguments import LoadArguments, add_load_arguments
from jobs.management.loadtest.load_run import run_load
from jobs.models import Experiment
from jobs.services.experiments.experiment_rows import (
    REPRODUCTION,
    Differing,
    arms_differ,
    check_open,
    check_reproducible,
    conclude_experiment,
    distrusted,
    experiment_of,
    reproduced,
    start_experiment,
    store_measurement,
)

DISAGREES, INVALID = 1, 3  # as of `manage.py loadtest`


class Said(NamedTuple):
    """Lines to print, and the exit status."""

    lines: list[str]
    status: int = 0


class _LoadParser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise LoadWordError(f"--load: {message}")


def start(options: Mapping[str, Any]) -> Said:
    """Store a hypothesis and the load that tests it."""
    ground = measured_ground()
    words = _words(options["load"])
    load = _load(words, [])
    row = start_experiment(
        hypothesis=options["hypothesis"],
        expected=options["expect"],
        load={"words": words},
        seed=load.seed,
        ground=ground,
    )
    return Said([f"experiment {row.pk} at {row.revision[:12]}: {row.hypothesis}"])


def measure(options: Mapping[str, Any]) -> Said:
    """Run the load of an experiment for one arm, and store the report."""
    ground = measured_ground()
    row = experiment_of(options["id"])
    check_open(row)
    report = _run(row, options)
    store_measurement(experiment=row.pk, arm=options["arm"], report=report, ground=ground)
    lines = [f"{options['arm']} of experiment {row.pk}: {_figures(report)}"]
    if report.verdict != "invalid":
        return Said(lines)
    return Said([*lines, *report.reasons, "Measure it again: this run decides nothing."], INVALID)


def conclude(options: Mapping[str, Any]) -> Said:
    """Compare the newest baseline with the newest candidate."""
    row = conclude_experiment(experiment=options["id"])
    lines = [f"experiment {row.pk} is {row.verdict}: the candidate is {row.conclusion}"]
    lines += _differences(arms_differ(row), "in the baseline", "in the candidate")
    invalid = distrusted(row)
    lines += [f"Measure the {arm} again: {'; '.join(reasons)}." for arm, reasons in invalid.items()]
    return Said(lines, INVALID if invalid else 0)


def reproduce(options: Mapping[str, Any]) -> Said:
    """Run the load again, and compare it with the candidate on record."""
    ground = measured_ground()
    row = experiment_of(options["id"])
    check_reproducible(row)
    report = _run(row, options)
    again = store_measurement(experiment=row.pk, arm=REPRODUCTION, report=report, ground=ground)
    result = reproduced(experiment=row.pk, reproduction=again)
    lines = [f"{'agrees' if result.agrees else 'disagrees'}: the new run is {result.sentence}"]
    lines += _differences(result.differing, "on record", "now")
    return Said(lines, 0 if result.agrees else DISAGREES)


VERBS: Mapping[str, Callable[[Mapping[str, Any]], Said]] = {
    "start": start,
    "measure": measure,
    "conclude": conclude,
    "reproduce": reproduce,
}


def _differences(differing: Differing, first: str, second: str) -> list[str]:
    """Return a line for each setting that two measurements differ in, or that there is none."""
    shown = [f"{name} differs: {a} {first}, {b} {second}" for name, (a, b) in differing.items()]
    return shown or ["no setting differs"]


def _run(row: Experiment, options: Mapping[str, Any]) -> LoadReport:
    """Run the load on record; only where it is sent and by which token may differ."""
    where = [f"--url={options['url']}"] if options["url"] else []
    return run_load(_load(row.load["words"], [*where, *(f"--token={token}" for token in options["token"])]))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise LoadWordError(f"--load: {error}") from None


def _load(words: list[str], more: list[str]) -> LoadArguments:
    parser = _LoadParser(add_help=False)
    add_load_arguments(parser)
    options = vars(parser.parse_args([*words, *more]))
    if options["token"] and not more:
        raise LoadWordError("--load: a token becomes no row: give --token at measure and reproduce")
    if options["compare"] or options["out"]:
        raise LoadWordError("--load: --compare and --out belong to `manage.py loadtest`")
    return LoadArguments.of(options)


def _figures(report: LoadReport) -> str:
    p95 = "-" if report.latency_ms.p95 is None else f"{report.latency_ms.p95:,.1f} ms"
    return f"{report.verdict}, {report.sums.succeeded:,} of {report.sums.intended:,} succeeded, p95 {p95}"
