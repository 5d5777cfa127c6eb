"""What `manage.py backtest` asks for, waits for, and writes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from jobs.core.trials.trial_specs import BacktestRequest, parse_backtest
from jobs.models.rollouts.version_trial import TrialState
from jobs.services.trials.report_page import report_page, report_pictures
from jobs.services.trials.start_trial import TrialView, trial_view
from models_registry.core.refs import Ref

LOOK_S = 0.5
ENDS = {TrialState.DONE, TrialState.FAILED, TrialState.CANCELLED}


def add_backtest_arguments(parser: CommandParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("ref", metavar="NAME:VERSION", help="The version to try.")
    parser.add_argument("--against", help="The version to compare with. Default: what answers now.")
    parser.add_argument("--most", type=int, default=1_000, help="How many stored jobs, at most.")
    parser.add_argument("--client", help="Only jobs of this client.")
    parser.add_argument("--state", help="Only jobs that ended in this state.")
    parser.add_argument("--since", help="Only jobs created since then, as 2026-01-31T00:00:00Z.")
    parser.add_argument("--until", help="Only jobs created before, in the same form.")
    parser.add_argument("--label", metavar="POINTER", help="Compare the label there, such as /digit.")
    parser.add_argument("--labels", metavar="FILE", help="JSON: the true label of each job, by its id.")
    parser.add_argument("--wait-s", type=float, default=3_600.0, help="How long to wait for the report.")
    parser.add_argument("--json", action="store_true", help="Print the report as JSON.")
    parser.add_argument("--out", metavar="DIR", help="Write report.json, report.html and the pictures there.")


def backtest_of(options: dict[str, Any]) -> tuple[str, BacktestRequest]:
    """Return the model and the request; ModelNotFoundError, MalformedRequestError."""
    ref = Ref.parse(options["ref"])
    chosen = {
        "client": options["client"],
        "state": options["state"],
        "created_after": options["since"],
        "created_before": options["until"],
    }
    asked = {
        "version": str(ref),
        "against": options["against"],
        "most": options["most"],
        "filter": {name: value for name, value in chosen.items() if value is not None},
        "labels": _labels(options["labels"]),
        "agreement": {"by": "label", "at": options["label"]} if options["label"] else None,
    }
    return ref.name, parse_backtest(json.dumps(asked).encode())


def _labels(path: str | None) -> Any:
    if path is None:
        return None
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"The labels cannot be read: {error}") from None


def ended(trial_id: int, *, limit_s: float) -> TrialView:
    """Wait for a trial's end; CommandError where it does not come in time, or the trial failed."""
    until = time.monotonic() + limit_s
    while True:
        trial = trial_view(trial_id)
        if trial is not None and trial.state in ENDS:
            break
        if time.monotonic() >= until:
            state = "gone" if trial is None else trial.state
            raise CommandError(f"Backtest {trial_id} is {state} after {limit_s:g} s: it goes on by itself.")
        time.sleep(LOOK_S)
    if trial.state != TrialState.DONE:
        raise CommandError(f"Backtest {trial.id} is {trial.state}: {trial.outcome}")
    return trial


def written(trial: TrialView, options: dict[str, Any]) -> Iterator[str]:
    """Write the report's files, and yield what to print."""
    report = trial.report or {}
    if options["out"]:
        folder = Path(options["out"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(json.dumps(report, indent=1))
        (folder / "report.html").write_text(report_page(trial))
        for name, picture in report_pictures(report).items():
            (folder / f"{name}.png").write_bytes(picture)
    if options["json"]:
        yield json.dumps({"id": trial.id, "outcome": trial.outcome, "report": report}, indent=1)
        return
    against = f" against {trial.stable}" if trial.stable else ""
    yield f"Backtest {trial.id} of {trial.candidate}{against}: {trial.outcome}"
    if options["out"]:
        yield f"The report is in {options['out']}."
