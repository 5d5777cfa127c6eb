"""The command's arguments, as a person writes them and as values; a choice that could mean all is refused."""

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
from jobs.services.dead_letters.reads import DeadLetterFilter
from models_registry.management.actor import actor
from models_registry.selectors import known_queues

MOST_JOBS = 100_000
FILTERS = ("model", "kind", "fingerprint", "since", "until")
UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_AGO = re.compile(r"(\d{1,9})([smhd])")


@dataclass(frozen=True, slots=True)
class Choice:
    """What to act on: one job, or up to `most` dead letters that match."""

    job: UUID | None
    selection: DeadLetterFilter
    most: int


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the verbs and their options."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|show|replay|discard|purge-stale")
    _add_filter(verbs.add_parser("list", help="The dead-letter queues beside the rows, and the groups."))
    _add_show(verbs.add_parser("show", help="One dead letter: its reason, history and traceback."))
    replay = verbs.add_parser("replay", help="Queue one dead job again, or those that a filter matches.")
    _add_choice(replay)
    replay.add_argument("--rate", type=_rate, metavar="JOBS_PER_S", help="Due so many a second, not at once.")
    replay.add_argument("--input", metavar="FILE", help="JSON in place of the one job's input; - for stdin.")
    _add_choice(verbs.add_parser("discard", help="Leave one job dead for good, or those of a filter."))
    _add_purge(
        verbs.add_parser("purge-stale", help="Drop from the broker the dead letters that no longer count.")
    )


def _add_show(parser: ArgumentParser) -> None:
    parser.add_argument("job", type=job_id)
    parser.add_argument("--input", action="store_true", help="Show the input too; this is audited.")
    _add_actor(parser)


def _add_choice(parser: ArgumentParser) -> None:
    parser.add_argument("job", type=job_id, nargs="?", help="One job's id, instead of a filter.")
    _add_filter(parser)
    parser.add_argument("--all", action="store_true", help="Every dead letter: instead of a filter.")
    parser.add_argument(
        "--limit", type=_count, metavar="N", help=f"At most N jobs; {MOST_JOBS:,} if missing."
    )
    parser.add_argument("--dry-run", action="store_true", help="Say what would happen, and change nothing.")
    _add_actor(parser)


def _add_filter(parser: ArgumentParser) -> None:
    parser.add_argument("--model")
    parser.add_argument("--kind", choices=[kind.value for kind in FailureKind])
    parser.add_argument("--fingerprint", help="As `list` shows it, whole.")
    parser.add_argument(
        "--since", type=_moment, metavar="TIME", help="Dead since then: 2h, 7d, 2026-11-23T10:00."
    )
    parser.add_argument("--until", type=_moment, metavar="TIME", help="Dead until then; UTC unless it says.")


def _add_purge(parser: ArgumentParser) -> None:
    parser.add_argument("--model", required=True)
    parser.add_argument(
        "--malformed-too", action="store_true", help="Drop messages that are no dead letters, too."
    )
    parser.add_argument("--dry-run", action="store_true", help="Count, and drop nothing.")
    _add_actor(parser)


def _add_actor(parser: ArgumentParser) -> None:
    parser.add_argument("--actor", type=_name, help="The name for the audit; the login's name if missing.")


def actor_of(options: dict[str, Any]) -> str:
    """Return the actor: as named, else the operating system's user."""
    return options["actor"] or actor()


def choice_of(options: dict[str, Any]) -> Choice:
    """Return what to act on; CommandError where nothing was chosen, or both a job and a filter."""
    job, filtered = options["job"], any(options[name] is not None for name in FILTERS)
    if job is not None and (filtered or options["all"] or options["limit"] is not None):
        raise CommandError("Name a job or a filter, not both.")
    if options["all"] and filtered:
        raise CommandError("--all goes without a filter.")
    if job is None and not filtered and not options["all"]:
        raise CommandError("Say which: a job's id, a filter such as --model, or --all.")
    return Choice(job, filter_of(options), options["limit"] or MOST_JOBS)


def filter_of(options: dict[str, Any]) -> DeadLetterFilter:
    """Return the filter; CommandError where it names no model or an empty time."""
    filters = {name: options[name] for name in FILTERS}
    if filters["model"] is not None:
        check_model(filters["model"])
    if filters["since"] and filters["until"] and filters["since"] > filters["until"]:
        raise CommandError("--since is after --until.")
    return DeadLetterFilter(**filters)


def check_model(name: str) -> None:
    """Refuse the name of an unknown model: CommandError."""
    if name not in (models := known_queues()):
        raise CommandError(f"There is no model {name!r}: there are {', '.join(models) or 'none'}.")


def job_id(text: str) -> UUID:
    """Read a job's id."""
    try:
        return UUID(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no job's id, a UUID") from None


def _moment(text: str) -> datetime:
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(seconds=int(ago[1]) * UNITS_S[ago[2]])
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is no time such as 2h, 7d or 2026-11-23T10:00") from None


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0.0 < rate < math.inf:
        raise ArgumentTypeError(f"{text!r} is no number of jobs a second above 0")
    return rate


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _name(text: str) -> str:
    if not text.strip():
        raise ArgumentTypeError("an actor has a name")
    return text.strip()
