"""The arguments of `manage.py flags`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime

from django.utils.dateparse import parse_datetime

from jobs.core.rollouts.rollout_requests import MOST_LAST
from jobs.management.rollouts.rollout_arguments import Verbs, add_json, add_why
from models_registry.management.json_argument import json_or_file


def add_flag_arguments(parser: ArgumentParser) -> None:
    """Declare the verbs and their options."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|show|history|put|remove|preview")
    _add_list(verbs)
    add_json(_one(verbs, "show", "Show a flag, and what decides by it."))
    add_json(_one(verbs, "history", "Show each change of a flag, newest first."))
    put = _one(verbs, "put", "Put a flag in force, or change it.")
    _add_document(put)
    _add_number(put)
    add_why(put)
    remove = _one(verbs, "remove", "Remove a flag; its history stays.")
    _add_number(remove)
    add_why(remove)
    _add_preview(verbs)


def _one(verbs: Verbs, name: str, text: str) -> ArgumentParser:
    parser = verbs.add_parser(name, help=text)
    parser.add_argument("name")
    return parser


def _add_list(verbs: Verbs) -> None:
    listed = verbs.add_parser("list", help="Show the flags in force, or those of a moment.")
    listed.add_argument(
        "--expired", action="store_true", help="Only those past their end; exit with 1 if there are any."
    )
    listed.add_argument("--at", type=_moment, metavar="TIME", help="As they were then, with a time zone.")
    add_json(listed)


def _add_preview(verbs: Verbs) -> None:
    preview = _one(verbs, "preview", "Show for whom a flag would be on.")
    _add_document(preview)
    preview.add_argument("--sticky", help="What the rule that names the flag is sticky by.")
    jobs = preview.add_mutually_exclusive_group(required=True)
    jobs.add_argument("--asks", type=json_or_file, help="a list of jobs as a flag sees them: JSON, or @file")
    jobs.add_argument("--last", type=int, metavar="N", help=f"the newest stored jobs, up to {MOST_LAST:,}")
    add_json(preview)


def _add_document(parser: ArgumentParser) -> None:
    parser.add_argument("document", type=json_or_file, help="the flag: JSON, or @file")


def _add_number(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--number", type=int, metavar="N", help="Only if the flag has this number still; 0: if there is none."
    )


def _moment(text: str) -> datetime:
    at = parse_datetime(text)
    if at is None or at.tzinfo is None:
        raise ArgumentTypeError(f"{text} is no time with its zone, such as 2026-01-31T14:03:00Z")
    return at
