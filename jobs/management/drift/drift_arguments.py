"""The arguments of `manage.py drift`."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime

from jobs.management.rollouts.rollout_arguments import Verbs, add_json, add_why
from jobs.services.drift.reads import MOST_HOURS, SHOWN_HOURS


def add_drift_arguments(parser: ArgumentParser) -> None:
    """Declare the verbs and their options."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="show|freeze|compare|purge|simulate")
    _add_show(verbs)
    _add_freeze(verbs)
    add_json(
        verbs.add_parser("compare", help="Compare the hours that have ended now, as beat does each hour.")
    )
    purge = verbs.add_parser("purge", help="Let no cached result of a model answer a job any more.")
    purge.add_argument("model")
    add_why(purge)
    _add_simulate(verbs)


def _add_show(verbs: Verbs) -> None:
    show = verbs.add_parser("show", help="Show whether jobs are still like those of the reference.")
    show.add_argument("model")
    show.add_argument("--version", dest="of_version", metavar="VERSION")
    show.add_argument(
        "--hours", type=_hours, default=SHOWN_HOURS, help=f"1 to {MOST_HOURS}; default: %(default)s"
    )
    add_json(show)


def _add_freeze(verbs: Verbs) -> None:
    freeze = verbs.add_parser("freeze", help="Give a version another reference.")
    freeze.add_argument("model")
    freeze.add_argument("of_version", metavar="version")
    freeze.add_argument("--since", type=_moment, metavar="TIME", help="The beginning of a period, RFC 3339.")
    freeze.add_argument("--until", type=_moment, metavar="TIME", help="Its end, which has passed.")
    freeze.add_argument("--like", metavar="VERSION", help="Copy the reference of this version.")
    add_why(freeze)


def _add_simulate(verbs: Verbs) -> None:
    simulate = verbs.add_parser(
        "simulate", help="Count false alarms in months without drift, and missed ones."
    )
    simulate.add_argument("--months", type=int, default=20, metavar="N", help="default: %(default)s")
    simulate.add_argument("--case", action="append", metavar="NAME", help="default: all")
    simulate.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    add_json(simulate)


def _hours(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_HOURS:
        raise ArgumentTypeError(f"{text} is no whole number from 1 to {MOST_HOURS}")
    return int(text)


def _moment(text: str) -> datetime:
    """Return a time; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is no time, such as 2026-01-31T12:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
