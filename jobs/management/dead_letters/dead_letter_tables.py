"""The output of `manage.py dead_letters`, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.services.dead_letters.dry_run import DryRun
from jobs.services.dead_letters.purge import Purged
from jobs.services.dead_letters.queue_counts import DeadLetterQueueCounts
from jobs.services.dead_letters.reads import LOOKED_AT, DeadLetterDetails, Groups

WIDTH = 160  # a narrower table cuts fingerprints
NONE = "-"


def queues(counts: Sequence[DeadLetterQueueCounts]) -> str:
    """Return a table of the dead-letter queues: rows, messages in the broker, and the age of that count."""
    heads = ("model", ">rows", ">unconfirmed", ">in the broker", ">counted", "")
    rows = [
        (
            queue.model, queue.rows, queue.due, NONE if queue.messages is None else queue.messages,
            NONE if queue.age_s is None else f"{queue.age_s:,.0f} s ago", queue.doubt,
        )
        for queue in counts
    ]  # fmt: skip
    return _table("Dead-letter queues", heads, rows)


def groups(counted: Groups) -> str:
    """Return the groups by fingerprint, largest first."""
    rows = [
        (group.count, group.queue, group.kind, group.fingerprint, _at(group.first_seen), _at(group.last_seen))
        for group in counted.largest
    ]
    heads = (">count", "model", "kind", "fingerprint", "first seen (UTC)", "last seen (UTC)")
    title = f"{counted.dead_letters:,} dead letters in {counted.groups:,} groups"
    if counted.cut:
        title += f"; no more than {LOOKED_AT:,} dead letters were looked at"
    return _table(title, heads, rows)


def dead_letter(dead: DeadLetterDetails, payload: bytes | None) -> str:
    """Return one dead letter with its history and traceback, and its input unless that is None."""
    about = [
        ("job", dead.job), ("model", dead.queue), ("kind", dead.kind), ("code", dead.code),
        ("message", dead.message), ("no further attempt", dead.reason or NONE),
        ("fingerprint", dead.fingerprint), ("died (UTC)", _at(dead.created_at)), ("epoch", dead.epoch),
        ("dead letter", message_state(dead)),
    ]  # fmt: skip
    parts = [
        _table("", ("", ""), about),
        _attempts(dead),
        _plain(dead.traceback or "no traceback stored"),
    ]
    if payload is not None:
        parts.append(f"Input\n{_plain(payload.decode('utf-8', 'backslashreplace'))}")
    return "\n".join(parts)


def message_state(dead: DeadLetterDetails) -> str:
    """Return the state of the dead letter's message in the broker."""
    if dead.discarded_at is not None:
        return f"discarded {_at(dead.discarded_at)}"
    if dead.published_at is not None:
        return f"in the dead-letter queue since {_at(dead.published_at)}"
    return "not confirmed by the broker yet"


def _attempts(dead: DeadLetterDetails) -> str:
    rows = [[str(row.get(name, NONE)) for name in ("at", "epoch", "kind", "code", "worker", "batch")]
            for row in dead.history]  # fmt: skip
    return _table("Failed attempts before", ("when", ">epoch", "kind", "code", "worker", "batch"), rows)


def foreseen(run: DryRun) -> str:
    """Return a sentence for each effect that a replay would have."""
    lines = [f"{run.jobs:,} jobs would be queued again{_lasting(run.lasts_s)}; nothing was changed."]
    if run.checked < run.jobs:
        lines.append(f"Of the first {run.checked:,}:")
    lines.append(f"{run.invalid:,} inputs would be refused by their version's schema.")
    lines.append(f"{run.overdue:,} deadlines have passed and would be dropped.")
    lines += [f"  {job}  {_plain(fault)}" for job, fault in run.faults]
    return "\n".join(lines)


def _lasting(lasts_s: float) -> str:
    return f", the last due after {lasts_s:,.1f} s" if lasts_s else ""


def purged(model: str, counts: Purged, *, dry_run: bool) -> str:
    """Return the counts of a purge as a sentence."""
    end = "nothing was dropped: a dry run" if dry_run else f"{counts.dropped:,} were dropped"
    return (
        f"{model}: {counts.current:,} dead letters count, {counts.stale:,} are stale, "
        f"{counts.malformed:,} messages are not dead letters; {end}."
    )


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; a head that begins with > aligns its column to the right."""
    table = Table(title=title or None, title_justify="left", show_header=any(heads))
    for head in heads:
        table.add_column(
            head.lstrip(">"), justify="right" if head.startswith(">") else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(_cell(cell)) for cell in row))
    console = Console(width=WIDTH, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else _plain(str(value))


def _plain(text: str) -> str:
    """Return `text` with control characters escaped, because a message may hold escape sequences."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
