"""The arguments of `manage.py rules`."""

from __future__ import annotations

from argparse import ArgumentParser

from jobs.core.cascades.report_request import MOST_JOBS
from jobs.core.rollouts.rollout_requests import MOST_LAST
from jobs.management.rollouts.rollout_arguments import Verbs, add_json, add_why
from models_registry.core.refs import DEFAULT_ALIAS
from models_registry.management.json_argument import json_or_file


def add_rule_arguments(parser: ArgumentParser) -> None:
    """Declare the verbs and their options."""
    verbs = parser.add_subparsers(
        dest="verb", required=True, metavar="show|put|preview|history|shadow|cascade|report"
    )
    add_json(_of_alias(verbs, "show", "Show the rule in force of an alias."))
    put = _of_alias(verbs, "put", "Put a rule in force.")
    _add_document(put)
    add_why(put)
    preview = _of_alias(verbs, "preview", "Show which jobs would get which version.")
    _add_document(preview)
    _add_jobs(preview)
    add_json(preview)
    _add_cascade(_of_alias(verbs, "cascade", "Report on a rule's cascade, from stored steps."))
    history = verbs.add_parser("history", help="Show what answered for a model's aliases, newest first.")
    history.add_argument("model")
    history.add_argument("--alias")
    add_json(history)
    _add_shadow(verbs)
    report = _of_alias(verbs, "report", "Show what the A/B test of a rule has shown.")
    report.add_argument("number", type=int, help="the rule's number")
    report.add_argument("--out", metavar="DIR", help="write report.json, report.html and the pictures there")
    add_json(report)


def _of_alias(verbs: Verbs, name: str, text: str) -> ArgumentParser:
    parser = verbs.add_parser(name, help=text)
    parser.add_argument("model")
    parser.add_argument("--alias", default=DEFAULT_ALIAS, help="default: %(default)s")
    return parser


def _add_shadow(verbs: Verbs) -> None:
    shadow = _of_alias(verbs, "shadow", "Show what the shadow of a rule has shown; stop it, start it again.")
    shadow.add_argument("--number", type=int, help="the number of the rule; default: of the rule in force")
    act = shadow.add_mutually_exclusive_group()
    act.add_argument("--stop", action="store_true", help="make no more copies, and drop those that wait")
    act.add_argument("--start", action="store_true", help="start a stopped shadow again")
    shadow.add_argument("--out", metavar="DIR", help="write report.json, report.html and the pictures there")
    add_why(shadow)


def _add_cascade(parser: ArgumentParser) -> None:
    parser.add_argument("--number", type=int, help="the rule's number; default: the newest with a cascade")
    parser.add_argument("--most", type=int, default=MOST_JOBS, help="so many of its newest jobs: %(default)s")
    parser.add_argument("--labels", type=json_or_file, help="right labels by the ids of jobs: JSON, or @file")
    parser.add_argument("--at", help="where outputs have the label; default: as `agreement` says, or /label")
    parser.add_argument(
        "--picture", metavar="FILE", help="write the curve over the threshold as .png or .svg"
    )
    parser.add_argument("--page", metavar="FILE", help="write the report as an HTML page")
    add_json(parser)


def _add_document(parser: ArgumentParser) -> None:
    parser.add_argument("document", type=json_or_file, help="the rule: JSON, or @file")


def _add_jobs(parser: ArgumentParser) -> None:
    jobs = parser.add_mutually_exclusive_group(required=True)
    jobs.add_argument("--asks", type=json_or_file, help="a list of jobs as a rule sees them: JSON, or @file")
    jobs.add_argument(
        "--last", type=int, metavar="N", help=f"the alias's newest stored jobs, up to {MOST_LAST:,}"
    )
