"""The arguments of `manage.py act`; only `--all` selects every job."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError

from jobs.core.acting.bulk_request import DEFAULT_PER_S, BulkRequest, checked
from jobs.core.acting.bulk_verbs import FASTEST_PER_S, SLOWEST_PER_S, BulkVerb
from jobs.core.failures import FailureKind
from jobs.core.priority import HIGHEST, LOWEST
from jobs.core.states import State
from jobs.management.dead_letters.dead_letter_arguments import add_actor, moment

FILTERS = (
    "state", "model", "client", "priority", "kind", "code", "fingerprint", "created_after", "created_before",
    "metadata",
)  # fmt: skip


def add_act_arguments(parser: ArgumentParser) -> None:
    """Declare the verbs and their options."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="cancel|replay|discard|list|show|stop")
    helps = {
        BulkVerb.CANCEL: "Cancel all jobs that match and have not ended.",
        BulkVerb.REPLAY: "Queue all dead, cancelled and expired jobs that match again.",
        BulkVerb.DISCARD: "Discard the dead letters of all dead jobs that match.",
    }
    for verb, text in helps.items():
        _add_filters(verbs.add_parser(verb.value, help=text))
    verbs.add_parser("list", help="Show the last acts.")
    for name, text in (("show", "Show how far an act is."), ("stop", "Stop an act after its current slice.")):
        one = verbs.add_parser(name, help=text)
        one.add_argument("act", type=int, metavar="ID")
        add_actor(one)


def _add_filters(parser: ArgumentParser) -> None:
    parser.add_argument("--state", choices=[state.value for state in State])
    parser.add_argument("--model", metavar="NAME", help="a model, or a version: name:version")
    parser.add_argument("--client", metavar="NAME")
    parser.add_argument("--priority", type=int, choices=range(LOWEST, HIGHEST + 1), metavar="0-9")
    parser.add_argument("--kind", choices=[kind.value for kind in FailureKind], help="the error's kind")
    parser.add_argument("--code", help="the error's code")
    parser.add_argument("--fingerprint", help="of dead jobs, as `dead_letters list` shows it")
    parser.add_argument("--created-after", type=moment, metavar="TIME", help="2h (ago) or 2026-11-23T10:00")
    parser.add_argument("--created-before", type=moment, metavar="TIME", help="UTC if it has no offset")
    parser.add_argument(
        "--metadata", type=_pair, metavar="FIELD=VALUE", help="a field of --model's `metadata_index`"
    )
    parser.add_argument("--all", action="store_true", help="act on every job, instead of a filter")
    parser.add_argument(
        "--rate",
        type=_rate,
        default=DEFAULT_PER_S,
        metavar="JOBS_PER_S",
        help=f"default {DEFAULT_PER_S:g}",
    )
    parser.add_argument("--dry-run", action="store_true", help="only count the jobs")
    add_actor(parser)


def request_of(options: dict[str, Any]) -> BulkRequest:
    """Return what the options ask for; CommandError without a filter, MalformedRequestError."""
    filters = {name: options[name] for name in FILTERS if options[name] is not None}
    if bool(filters) == options["all"]:
        raise CommandError("Give filters such as --model, or --all; not both.")
    if options["state"]:
        filters["state"] = State(options["state"])
    if options["kind"]:
        filters["kind"] = FailureKind(options["kind"])
    return checked(BulkRequest(**filters, rate_per_s=options["rate"], dry_run=options["dry_run"]))


def _pair(text: str) -> dict[str, str]:
    field, mark, value = text.partition("=")
    if not (field and mark):
        raise ArgumentTypeError(f"{text!r} is not FIELD=VALUE")
    return {field: value}


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not SLOWEST_PER_S <= rate <= FASTEST_PER_S:
        raise ArgumentTypeError(f"{text!r} is no rate from {SLOWEST_PER_S:g} to {FASTEST_PER_S:,.0f} jobs/s")
    return rate
