"""The verbs of `manage.py drift`; each returns the text to print."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jobs.core.drift.drift_requests import DriftReferenceRequest
from jobs.core.rollouts.rollout_requests import parse_value
from jobs.management.dead_letters.dead_letter_arguments import actor_of
from jobs.management.drift.simulated_months import simulate
from jobs.management.rollouts.printed import as_json
from jobs.services.drift.comparing import compare_all
from jobs.services.drift.reads import FieldView, VersionDrift, drift_of
from jobs.services.drift.reference import freeze_as_asked
from jobs.services.reuse.generations import purge_cache
from models_registry import selectors

Options = dict[str, Any]


def show(options: Options) -> str:
    """Return the drift of a model's versions: a sentence, and a line for each field."""
    drifts = drift_of(options["model"], version=options["of_version"], hours=options["hours"])
    if options["json"]:
        return as_json({"model": options["model"], "versions": drifts})
    if not drifts:
        return "No version of the model is watched: register one with the option `monitor`."
    return "\n".join(line for drift in drifts for line in _lines(options["model"], drift))


def freeze(options: Options) -> str:
    """Give a version another reference."""
    names = ("since", "until", "like", "reason")
    given = {name: options[name] for name in names if options[name]}
    asked = parse_value({"version": options["of_version"], **given}, DriftReferenceRequest)
    info = freeze_as_asked(options["model"], asked, actor=actor_of(options))
    (drift,) = drift_of(info.model, version=info.version)
    return as_json(drift) if options["json"] else "\n".join(_lines(info.model, drift))


def compare(options: Options) -> str:
    """Compare the hours that have ended."""
    compared = compare_all()
    if options["json"]:
        return as_json(compared._asdict())
    return f"{compared.versions} versions, {compared.hours} hours compared, {compared.alarms} new alarms."


def purge(options: Options) -> str:
    """Make a model's cached results void."""
    model = selectors.model(options["model"])
    generation = purge_cache(model.pk, model=model.name, actor=actor_of(options), reason=options["reason"])
    return (
        as_json({"generation": generation}) if options["json"] else f"Its cache has generation {generation}."
    )


def _lines(model: str, drift: VersionDrift) -> Iterator[str]:
    yield f"{model}:{drift.version}: {drift.sentence}"
    if drift.reference is not None:
        yield f"  reference: {drift.reference.origin}, {drift.reference.jobs:,} jobs"
    yield from (f"  {_field(field)}" for field in drift.fields if field.hours)
    for alarm in drift.alarms:
        webhook = f"; webhook {alarm.webhook} {alarm.answer}".rstrip() if alarm.webhook else ""
        purged = f"; cache generation {alarm.generation}" if alarm.generation else ""
        yield f"  alarm {alarm.id} at {alarm.hour:%Y-%m-%d %H}:00: {', '.join(alarm.fields)}{purged}{webhook}"


def _field(field: FieldView) -> str:
    last = field.hours[-1]
    head = f"{'!' if field.drifts else ' '} {field.field}: {last.n:,} values at {last.hour:%Y-%m-%d %H}:00"
    if last.psi is None or last.distance is None or last.bound is None:
        return f"{head}, not compared"
    return f"{head}, PSI {last.psi:.3f}, distance {last.distance:.3f} (chance explains {last.bound:.3f})"


DRIFT_VERBS: Mapping[str, Callable[[Options], str]] = {
    "show": show,
    "freeze": freeze,
    "compare": compare,
    "purge": purge,
    "simulate": simulate,
}
