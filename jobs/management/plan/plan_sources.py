"""Reads the file of a plan, and what the platform stored of the models that it names."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from jobs.core.errors import NoHistoryError, PlatformError
from jobs.core.planning.plan_file import RunTimes
from jobs.core.planning.plan_reader import PlanFileError, StoredModel
from jobs.core.planning.stored_arrivals import day_of
from jobs.services.reads.arrivals_by_minute import arrivals_by_minute
from jobs.services.simulation.learn_times import learn_times

WINDOW_S = 7 * 86_400.0


def read_document(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file; PlanFileError."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise PlanFileError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlanFileError(f"{path} is no TOML: {error}.") from None


def stored_model(model: str) -> StoredModel:
    """Return arrivals and times of a registered model in the last seven days; PlanFileError."""
    try:
        minutes = arrivals_by_minute(model, window_s=WINDOW_S)
        times = _times(model)
    except PlatformError as error:
        raise PlanFileError(f"The history of {model} cannot be read: {error}") from error
    day = day_of(minutes.counts, now_minute=minutes.now_minute)
    if day is None:
        raise PlanFileError(
            f"The history of {model} goes back less than a day: state its arrivals_per_s by hour instead."
        )
    return StoredModel(day.rates, day.peak, times)


def _times(model: str) -> RunTimes | None:
    """Return the times of a run by job, padded units at their mean; None where no batch was recorded."""
    try:
        learned = learn_times(model=model, window_s=WINDOW_S)
    except NoHistoryError:
        return None
    mean_size = sum(learned.sizes) / len(learned.sizes)
    return RunTimes(learned.run.base_s, learned.run.per_unit_s * mean_size)
