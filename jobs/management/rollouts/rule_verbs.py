"""The verbs of `manage.py rules`; each returns the text to print."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jobs.core.rollouts.rollout_requests import RulePreview, checked_preview, parse_value
from jobs.management.dead_letters.dead_letter_arguments import actor_of
from jobs.management.rollouts.ab_printed import ab_text, write_ab_files
from jobs.management.rollouts.cascade_verb import show_cascade
from jobs.management.rollouts.printed import as_json
from jobs.management.rollouts.shadow_verb import shadow
from jobs.services.ab_tests.read_ab_report import read_ab_report
from jobs.services.rollouts.preview import preview
from jobs.services.rollouts.reads import RuleView, rules_of
from models_registry.core.routing.rule_document import RuleDocument
from models_registry.core.routing.rule_words import rule_words
from models_registry.models import Rule
from models_registry.services.rules import put_rule

Options = dict[str, Any]
PREVIEWER = "preview"  # the client of jobs that name none; there need not be one of this name
_SHOWN = ("number", "alias", "document", "sha256", "rollout", "actor", "reason", "approvals", "at")


def show(options: Options) -> str:
    """Return the rule in force of an alias."""
    rules = rules_of(options["model"], options["alias"], most=1)
    if options["json"]:
        return as_json(_members(rules[0]) if rules else None)
    if not rules:
        return "The alias has no rule: it answers with the version that it points at."
    return f"{_line(rules[0])}\n{as_json(rules[0].document)}"


def put(options: Options) -> str:
    """Put a rule in force."""
    names = ("model", "alias", "document", "reason")
    rule = put_rule(**{name: options[name] for name in names}, actor=actor_of(options))
    return as_json(_members(rule)) if options["json"] else _line(rule)


def try_rule(options: Options) -> str:
    """Return which jobs would get which version."""
    names = ("document", "alias", "asks", "last")
    given = {name: options[name] for name in names if options[name] is not None}
    asked = checked_preview(parse_value(given, RulePreview))
    seen = preview(model=options["model"], asked=asked, client=PREVIEWER)
    if options["json"]:
        return as_json(seen)
    shares = [f"{count:,} to {version}" for version, count in sorted(seen.by_version.items())]
    gone = f" The input of {seen.gone:,} more is gone." if seen.gone else ""
    return f"{seen.total:,} jobs: {', '.join(shares) or 'nothing to decide'}.{gone}"


def history(options: Options) -> str:
    """Return a line for each rule, newest first."""
    rules = rules_of(options["model"], options["alias"])
    if options["json"]:
        return as_json([_members(rule) for rule in rules])
    return "\n".join(map(_line, rules)) or "There are no rules."


def report(options: Options) -> str:
    """Return what the A/B test of a rule has shown, and write its files."""
    seen = read_ab_report(model=options["model"], alias=options["alias"], number=options["number"])
    if options["out"]:
        write_ab_files(seen, Path(options["out"]))
    return as_json(seen) if options["json"] else ab_text(seen)


def _members(rule: Rule | RuleView) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in _SHOWN}


def _line(rule: Rule | RuleView) -> str:
    does = rule_words(rule.model, RuleDocument.of(rule.document))
    why = f": {rule.reason}" if rule.reason else ""
    of = f" for roll-out {rule.rollout}" if rule.rollout else ""
    return f"rule {rule.number} of {rule.alias}: {does}, by {rule.actor}{of}{why}"


RULE_VERBS: Mapping[str, Callable[[Options], str]] = {
    "show": show,
    "put": put,
    "preview": try_rule,
    "history": history,
    "cascade": show_cascade,
    "shadow": shadow,
    "report": report,
}
