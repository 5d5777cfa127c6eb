"""The arguments of `manage.py dead_letters` and their values; only `--all` selects every dead letter."""

from __future__ import annotations

import math
import re
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from jobs.core.failures import FailureKind
from jobs.db.database_clock import read_now
from jobs.services.dead_letters.reads import DeadLetterFilter
from models_registry.management.actor import actor
from models_registry.selectors import known_queues

MOST_JOBS = 100_000
FILTERS = ("model", "kind", "fingerprint", "since", "until")
UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_AGO = re.compile(r"(\d{1,9})([smhd])")


@dataclass(frozen=True, slots=True)
class Choice:
    """The selection of a command: one job, or up to `most` dead letters that match."""

    job: UUID | None
    selection: DeadLetterFilter
    most: int


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verbs and their options."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|show|replay|discard|purge-stale")
    _add_filter(verbs.add_parser("list", help="Show the dead-letter queues and the groups of dead letters."))
    _add_show(verbs.add_parser("show", help="Show one dead letter with its reason, history and traceback."))
    replay = verbs.add_parser("replay", help="Queue one dead job again, or all that a filter matches.")
    _add_choice(replay)
    replay.add_argument("--rate", type=_rate, metavar="JOBS_PER_S", help="Spread the jobs at this rate.")
    replay.add_argument(
        "--at-once",
        action="store_true",
        help="Queue all of them now, instead of one of each group first and the others once it succeeds.",
    )
    replay.add_argument("--input", metavar="FILE", help="JSON that replaces one job's input; - for stdin.")
    replay.add_argument(
        "--same-version",
        action="store_true",
        help="Keep one job's version, whatever the rule in force decides; refused where it is blocked.",
    )
    _add_choice(verbs.add_parser("discard", help="Discard one dead letter, or all that a filter matches."))
    _add_purge(verbs.add_parser("purge-stale", help="Drop stale messages from a model's dead-letter queue."))


def _add_show(parser: ArgumentParser) -> None:
    parser.add_argument("job", type=job_id)
    parser.add_argument("--input", action="store_true", help="Show the input too; the audit records this.")
    add_actor(parser)


def _add_choice(parser: ArgumentParser) -> None:
    parser.add_argument("job", type=job_id, nargs="?", help="One job's id, instead of a filter.")
    _add_filter(parser)
    parser.add_argument("--all", action="store_true", help="Act on every dead letter, instead of a filter.")
    parser.add_argument(
        "--limit", type=_count, metavar="N", help=f"Act on at most N jobs; {MOST_JOBS:,} if missing."
    )
    parser.add_argument("--dry-run", action="store_true", help="Print what would happen, and change nothing.")
    add_actor(parser)


def _add_filter(parser: ArgumentParser) -> None:
    parser.add_argument("--model")
    parser.add_argument("--kind", choices=[kind.value for kind in FailureKind])
    parser.add_argument("--fingerprint", help="The full fingerprint, as `list` shows it.")
    parser.add_argument(
        "--since",
        type=moment,
        metavar="TIME",
        help="Earliest death: 2h (ago), 7d or 2026-11-23T10:00.",
    )
    parser.add_argument(
        "--until", type=moment, metavar="TIME", help="Latest death; UTC if the time has no offset."
    )


def _add_purge(parser: ArgumentParser) -> None:
    parser.add_argument("--model", required=True)
    parser.add_argument(
        "--malformed-too", action="store_true", help="Also drop messages that are not dead letters."
    )
    parser.add_argument("--dry-run", action="store_true", help="Only count, and drop nothing.")
    add_actor(parser)


def add_actor(parser: ArgumentParser) -> None:
    """Declare the option that names the actor."""
    parser.add_argument("--actor", type=_name, help="Actor for the audit; your login's name if missing.")


def actor_of(options: dict[str, Any]) -> str:
    """Return the actor of `--actor`, or else the operating system's user."""
    return options["actor"] or actor()


def choice_of(options: dict[str, Any]) -> Choice:
    """Return the selection; CommandError without one, or with both a job and a filter."""
    job, filtered = options["job"], any(options[name] is not None for name in FILTERS)
    if job is not None and (filtered or options["all"] or options["limit"] is not None):
        raise CommandError("Give a job or a filter, not both.")
    if options["all"] and filtered:
        raise CommandError("--all cannot be combined with a filter.")
    if job is None and not filtered and not options["all"]:
        raise CommandError("Give a job's id, a filter such as --model, or --all.")
    return Choice(job, filter_of(options), options["limit"] or MOST_JOBS)


def filter_of(options: dict[str, Any]) -> DeadLetterFilter:
    """Return the filter; CommandError for an unknown model or an empty time range."""
    filters = {name: options[name] for name in FILTERS}
    if filters["model"] is not None:
        check_model(filters["model"])
    if filters["since"] and filters["until"] and filters["since"] > filters["until"]:
        raise CommandError("--since is after --until.")
    return DeadLetterFilter(**filters)


def check_model(name: str) -> None:
    """Raise CommandError unless there is a model of this name."""
    if name not in (models := known_queues()):
        raise CommandError(f"There is no model {name!r}; the models are: {', '.join(models) or 'none'}.")


def job_id(text: str) -> UUID:
    """Return the job's id that `text` is; ArgumentTypeError for anything else."""
    try:
        return UUID(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a job's id, a UUID") from None


def moment(text: str) -> datetime:
    """Return the time that `text` means; ArgumentTypeError for anything else."""
    try:
        if span := _AGO.fullmatch(text):
            return read_now() - timedelta(seconds=int(span[1]) * UNITS_S[span[2]])
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is not a time such as 2h, 7d or 2026-11-23T10:00") from None


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0.0 < rate < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number of jobs a second above 0")
    return rate


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _name(text: str) -> str:
    if not text.strip():
        raise ArgumentTypeError("the actor's name is empty")
    return text.strip()
