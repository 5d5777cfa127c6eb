"""`manage.py rules shadow`: what the shadow of a rule has shown, and its stop and start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jobs.core.errors import ResourceNotFoundError
from jobs.management.dead_letters.dead_letter_arguments import actor_of
from jobs.management.rollouts.printed import as_json
from jobs.services.rollouts.reads import rules_of
from jobs.services.shadow.shadow_acts import start_shadow, stop_shadow
from jobs.services.shadow.shadow_page import shadow_page
from jobs.services.shadow.shadow_views import ShadowView, shadow_view
from jobs.services.trials.report_page import report_pictures

Options = dict[str, Any]


def shadow(options: Options) -> str:
    """Act on the shadow of a rule if that is asked for, write its report, and return it as text."""
    model, alias = options["model"], options["alias"]
    number = options["number"] or _in_force(model, alias)
    if options["stop"] or options["start"]:
        act = stop_shadow if options["stop"] else start_shadow
        why = {"actor": actor_of(options), "reason": options["reason"]}
        act(model=model, alias=alias, number=number, **why)
    seen = shadow_view(model, alias, number)
    if options["out"]:
        _write(seen, Path(options["out"]))
    if options["json"]:
        return as_json(seen._asdict())
    why_stopped = f" ({seen.reason})" if seen.reason else ""
    where = f"\nThe report is in {options['out']}." if options["out"] else ""
    head = f"The shadow {seen.version} of rule {seen.number} of {model}@{alias} is {seen.state}{why_stopped}."
    return f"{head}\n{seen.sentence}{where}"


def _in_force(model: str, alias: str) -> int:
    rules = rules_of(model, alias, most=1)
    if not rules:
        raise ResourceNotFoundError(f"{model}@{alias} has no rule.")
    return rules[0].number


def _write(seen: ShadowView, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(seen.report, indent=1))
    (folder / "report.html").write_text(shadow_page(seen))
    for name, picture in report_pictures(seen.report).items():
        (folder / f"{name}.png").write_bytes(picture)
