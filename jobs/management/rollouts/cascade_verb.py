"""`manage.py rules cascade`: the report on a cascade as text, JSON, a page or a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from jobs.core.cascades.report_request import CascadeAsk, parse_ask
from jobs.core.errors import MalformedRequestError, ResourceNotFoundError
from jobs.management.rollouts.printed import as_json
from jobs.services.rollouts.cascades.cascade_page import report_page
from jobs.services.rollouts.cascades.cascade_words import curve_rows, headline, step_rows
from jobs.services.rollouts.cascades.rule_report import RuleReport, rule_report
from jobs.services.rollouts.cascades.threshold_picture import curve_picture
from models_registry.models import Rule


def show_cascade(options: dict[str, Any]) -> str:
    """Return the report; files that were asked for are written first."""
    seen = rule_report(
        model=options["model"], alias=options["alias"], number=_number(options), asked=_asked(options)
    )
    if options["page"]:
        Path(options["page"]).write_text(report_page(seen), encoding="utf-8")
    if options["picture"]:
        _draw(seen, Path(options["picture"]))
    return as_json(msgspec.to_builtins(seen)) if options["json"] else _text(seen)


def _number(options: dict[str, Any]) -> int:
    if options["number"] is not None:
        return int(options["number"])
    rules = Rule.objects.filter(model=options["model"], alias=options["alias"], steps__isnull=False)
    newest = rules.order_by("-number").values_list("number", flat=True).first()
    if newest is None:
        raise ResourceNotFoundError("No rule of this alias has a cascade.")
    return newest


def _asked(options: dict[str, Any]) -> CascadeAsk:
    given = {name: options[name] for name in ("most", "labels", "at") if options[name] is not None}
    return parse_ask(msgspec.json.encode(given))


def _draw(seen: RuleReport, path: Path) -> None:
    if path.suffix not in {".png", ".svg"}:
        raise MalformedRequestError("A picture is a file whose name ends in .png or .svg.")
    if not seen.report.jobs:
        raise ResourceNotFoundError("No job of this cascade has ended yet: there is nothing to draw.")
    path.write_bytes(curve_picture(seen.report, "png" if path.suffix == ".png" else "svg"))


def _text(seen: RuleReport) -> str:
    lines = [f"Rule {seen.rule} of {seen.model}@{seen.alias}: {headline(seen.report)}"]
    lines += ["  ".join(row) for row in step_rows(seen.report)]
    if seen.report.curve:
        lines.append("threshold  goes on  device time a job  right answers")
        lines += ["  ".join(row) for row in curve_rows(seen.report)]
    return "\n".join(lines)
