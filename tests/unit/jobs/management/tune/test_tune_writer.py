"""What a tuning prints: foretold beside seen, and why a goal is out of reach."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from jobs.core.tuning.setting_space import TunedSetting
from jobs.core.tuning.tune_report import Foretold, TuneReport, TuneSearch, TuneTimes, Verified
from jobs.management.tune.tune_writer import show_tune

POINT = Foretold(
    setting=TunedSetting(), rate_per_s=60.0, throughput_per_s=58.0, latency_ms=80.0, upper_ms=82.5
)
REPORT = TuneReport(
    format="inference-tune/1", verdict="tuned", model="echo", version="1", goal="p95=100ms", limit_ms=100.0,
    workers=1, rate_per_s=60.0, asked=POINT, highest=POINT, best_ms=None, workers_needed=None,
    highest_rate_per_s=60.0, front=[], commands=["one"], warnings=[],
    times=TuneTimes(
        base_s=0.02, per_unit_s=0.001, crowding=1.0, deliver_s=0.0, claim_s=0.0, settle_s=0.0, runs=0
    ),
    search=TuneSearch(space=9, questions=3, simulated_jobs=100, seconds=1.0, seed=1),
)  # fmt: skip
SEEN = Verified(
    rate_per_s=60.0,
    throughput_per_s=59.2,
    latency_ms=84.4,
    verdict="invalid",
    reasons=["a late sender"],
)
INFEASIBLE: dict[str, Any] = {"verdict": "infeasible", "asked": None, "highest": None, "commands": []}


def shown(**fields: Any) -> str:
    file = StringIO()
    show_tune(msgspec.structs.replace(REPORT, **fields), Path("out"), Console(file=file, width=100))
    return file.getvalue()


def test_what_was_seen_stands_beside_what_was_foretold_with_why_it_may_not_count() -> None:
    lines = shown(verified=SEEN).splitlines()
    given, seen = (
        next(line for line in lines if what in line) for what in ("at the given rate", "seen on real workers")
    )
    assert [cell.strip() for cell in given.split("│")[2:5]] == ["60.0", "80.0", "82.5"]
    assert [cell.strip() for cell in seen.split("│")[2:5]] == ["59.2", "84.4", "the load test: invalid"]
    assert "seen: a late sender" in lines


def test_a_verification_without_results_has_no_figure() -> None:
    text = shown(verified=msgspec.structs.replace(SEEN, throughput_per_s=None, latency_ms=None))
    seen = next(line for line in text.splitlines() if "seen on real workers" in line)
    assert [cell.strip() for cell in seen.split("│")[2:4]] == ["-", "-"]


def test_an_infeasible_goal_says_what_would_do() -> None:
    within = shown(**INFEASIBLE, best_ms=150.0, workers_needed=3)
    assert "infeasible: p95=100ms at 60.0/s with 1 worker; the best p95 is 150.0 ms" in within
    assert "3 workers would do" in within
    assert "not even 10,000 workers would do" in shown(**INFEASIBLE, best_ms=150.0)
    alone = shown(**INFEASIBLE, best_ms=150.0, highest_rate_per_s=0.0)
    assert "no number of workers would do: a job alone takes longer" in alone
