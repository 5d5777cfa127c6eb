"""Reads the document of a plan, and names the first field that cannot be used by its path."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from jobs.core.planning.part_load import PARTS
from jobs.core.planning.plan_file import (
    MOST_HOURS,
    DeviceKind,
    PartFile,
    PlanFile,
    PlanInput,
    PlannedModel,
    RunTimes,
)
from models_registry.core.struct_fields import did_you_mean, first_fault

LEAST_PER_S = 1e-6  # a rarer job is no forecast, and thousands of them are simulated
Row = TypeVar("Row", bound=msgspec.Struct)


class PlanFileError(ValueError):
    """The document cannot be planned from; the message names the field by its path."""


class StoredModel(NamedTuple):
    """What the records of a model say: mean arrivals by hour, busiest minute over mean, times of a run."""

    rates: tuple[float, ...]
    peak: float
    times: RunTimes | None


ReadHistory = Callable[[str], StoredModel]


def read_plan(document: Mapping[str, Any], history: ReadHistory) -> PlanInput:
    """Return the checked document, with what `history` says of models that name one; PlanFileError."""
    file = _converted(PlanFile, document, "")
    if missing := [name for name in ("zones", "devices", "models") if not getattr(file, name)]:
        raise PlanFileError(f"The field {missing[0]} is empty: a plan needs at least one of them.")
    devices = {name: _converted(DeviceKind, row, f"devices.{name}.") for name, row in file.devices.items()}
    models = {name: _model(name, row) for name, row in file.models.items()}
    parts = {name: _converted(PartFile, row, f"parts.{name}.") for name, row in file.parts.items()}
    _check_names(file, devices, models, parts)
    stored = {name: history(model.history) for name, model in models.items() if model.history}
    models = {name: _with_history(name, model, stored.get(name)) for name, model in models.items()}
    rates = {name: _rates(name, model, stored.get(name)) for name, model in models.items()}
    _check_hours(rates)
    return PlanInput(
        zones=file.zones,
        devices=devices,
        models=models,
        parts=parts,
        rates=rates,
        overheads=file.overheads,
        seed=file.seed,
        survive_zones=file.survive_zones,
        most_load=file.most_load,
        most_load_after_loss=file.most_load_after_loss,
    )


def _converted(kind: type[Row], values: Any, prefix: str) -> Row:
    if not isinstance(values, Mapping):
        raise PlanFileError(f"The field {prefix.rstrip('.')} must be a table.")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        fault = first_fault(kind, values, prefix=prefix, noun="field")
        raise PlanFileError(fault or f"{prefix.rstrip('.') or 'The file'}: {error}.") from None


def _model(name: str, row: Any) -> PlannedModel:
    for kind, times in (row.get("on") or {}).items() if isinstance(row, Mapping) else ():
        _converted(RunTimes, times, f"models.{name}.on.{kind}.")
    model = _converted(PlannedModel, row, f"models.{name}.")
    if bool(model.arrivals_per_s) == bool(model.history):
        place = "is given beside" if model.history else "is missing, and so is"
        raise PlanFileError(
            f"The field models.{name}.arrivals_per_s {place} models.{name}.history: give one of them."
        )
    return model


def _check_names(
    file: PlanFile,
    devices: Mapping[str, DeviceKind],
    models: Mapping[str, PlannedModel],
    parts: Mapping[str, PartFile],
) -> None:
    if len(set(file.zones)) < len(file.zones):
        raise PlanFileError("The field zones names a zone twice.")
    if file.survive_zones >= len(file.zones):
        raise PlanFileError(
            f"The field survive_zones is {file.survive_zones}; of {len(file.zones)} zones at most"
            f" {len(file.zones) - 1} can be lost."
        )
    for name, device in devices.items():
        _check_known(f"devices.{name}.zones", "zone", device.zones, file.zones)
    for name, model in models.items():
        _check_known(f"models.{name}.devices", "device", model.devices, devices)
        _check_known(f"models.{name}.on", "device", model.on, devices)
    _check_known("parts", "part", parts, PARTS)


def _check_known(path: str, noun: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise PlanFileError(f"The field {path} names an unknown {noun} {name}{did_you_mean(name, known)}")


def _with_history(name: str, model: PlannedModel, stored: StoredModel | None) -> PlannedModel:
    times = stored.times if stored else None
    fixed_s = times.fixed_s if model.fixed_s is None and times else model.fixed_s
    per_job_s = times.per_job_s if model.per_job_s is None and times else model.per_job_s
    for field, value in (("fixed_s", fixed_s), ("per_job_s", per_job_s)):
        if value is None:
            more = f"; the records of {model.history} hold no runs" if stored else ""
            raise PlanFileError(f"The field models.{name}.{field} is missing{more}.")
    if not (fixed_s or per_job_s):
        raise PlanFileError(f"The field models.{name}.per_job_s is 0, and so is fixed_s: a run takes time.")
    peak = max(model.peak, stored.peak) if stored else model.peak
    return msgspec.structs.replace(model, fixed_s=fixed_s, per_job_s=per_job_s, peak=peak)


def _rates(name: str, model: PlannedModel, stored: StoredModel | None) -> tuple[float, ...]:
    rates = stored.rates if stored else model.arrivals_per_s
    if not any(rates):
        raise PlanFileError(f"The field models.{name}.arrivals_per_s has no arrivals.")
    grown = tuple(rate * model.growth for rate in rates)
    if rare := [rate for rate in grown if 0.0 < rate < LEAST_PER_S]:
        raise PlanFileError(
            f"The field models.{name}.arrivals_per_s comes to {rare[0]:g} with its growth; it must be 0, or"
            f" at least {LEAST_PER_S:g}, a job in {1 / LEAST_PER_S / 86_400:.0f} days."
        )
    return grown


def _check_hours(rates: Mapping[str, tuple[float, ...]]) -> None:
    first, *others = rates
    hours = len(rates[first])
    if hours > MOST_HOURS:
        raise PlanFileError(f"The field models.{first}.arrivals_per_s has {hours} hours, above {MOST_HOURS}.")
    for name in others:
        if len(rates[name]) != hours:
            raise PlanFileError(
                f"The field models.{name}.arrivals_per_s has {len(rates[name])} hours,"
                f" models.{first} has {hours}."
            )
