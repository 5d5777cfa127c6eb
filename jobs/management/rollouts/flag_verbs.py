"""The verbs of `manage.py flags`; each returns the text to print, and the exit status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jobs.core.rollouts.flag_requests import FlagPreview, checked_flag_preview
from jobs.core.rollouts.rollout_requests import parse_value
from jobs.management.dead_letters.dead_letter_arguments import actor_of
from jobs.management.rollouts.printed import as_json
from jobs.management.rollouts.rule_verbs import PREVIEWER
from jobs.services.flags.flag_preview import preview_flag
from jobs.services.flags.flag_views import FlagChangeView, FlagView, flag_changes, flag_view, list_flags
from jobs.services.flags.put_known import put_known_flag
from models_registry.core.routing.rule_changes import rule_changes, share_text
from models_registry.services.flags import flag_users, remove_flag

Options = dict[str, Any]


class Printed(NamedTuple):
    """What a verb prints, and with which status the command exits."""

    text: str
    status: int = 0


def list_all(options: Options) -> Printed:
    """Return a line for each flag; of expired ones the status is 1, so that a timer may warn."""
    only = True if options["expired"] else None
    flags = list_flags(at=options["at"], expired=only)
    status = int(bool(flags)) if options["expired"] else 0
    if options["json"]:
        return Printed(as_json([flag._asdict() for flag in flags]), status)
    none = "No flag has expired." if options["expired"] else "There are no flags."
    return Printed("\n".join(map(_line, flags)) or none, status)


def show(options: Options) -> Printed:
    """Return a flag, and what decides by it."""
    flag, users = flag_view(options["name"]), flag_users(options["name"])
    if options["json"]:
        return Printed(as_json(flag._asdict() | {"used_by": users}))
    used = f"decides for {', '.join(users)}" if users else "no rule names it"
    return Printed(f"{_line(flag)}\n{used}\n{as_json(flag.document)}")


def history(options: Options) -> Printed:
    """Return a line for each change, newest first."""
    changes = flag_changes(options["name"])
    if options["json"]:
        return Printed(as_json([change._asdict() for change in changes]))
    return Printed("\n".join(map(_change, changes)))


def put(options: Options) -> Printed:
    """Put a flag in force."""
    names = ("name", "document", "reason", "number")
    row = put_known_flag(**{name: options[name] for name in names}, actor=actor_of(options))
    flag = flag_view(row.name)
    return Printed(as_json(flag._asdict()) if options["json"] else _line(flag))


def remove(options: Options) -> Printed:
    """Remove a flag."""
    names = ("name", "reason", "number")
    remove_flag(**{name: options[name] for name in names}, actor=actor_of(options))
    (change,) = flag_changes(options["name"], most=1)
    return Printed(as_json(change._asdict()) if options["json"] else _change(change))


def try_flag(options: Options) -> Printed:
    """Return for whom a flag would be on."""
    names = ("document", "sticky", "asks", "last")
    given = {name: options[name] for name in names if options[name] is not None}
    asked = checked_flag_preview(parse_value(given, FlagPreview))
    seen = preview_flag(name=options["name"], asked=asked, client=PREVIEWER)
    if options["json"]:
        return Printed(as_json(seen))
    clients = ", ".join(f"{count:,} of {client}" for client, count in seen.by_client.items())
    gone = f" The input of {seen.gone:,} more is gone." if seen.gone else ""
    return Printed(f"On for {seen.on:,} of {seen.total:,} jobs{f': {clients}' if clients else ''}.{gone}")


def _line(flag: FlagView) -> str:
    why = f": {flag.reason}" if flag.reason else ""
    ends = "expired" if flag.expired else "expires"
    on = _on(flag.document)
    return (
        f"{flag.name} {flag.number}: {on}; {ends} {flag.expires_at:%Y-%m-%d %H:%M} UTC, owner"
        f" {flag.document['owner']}, by {flag.actor} at {flag.at:%Y-%m-%d %H:%M:%S} UTC{why}"
    )


def _on(document: Mapping[str, Any]) -> str:
    if not document["on"]:
        return "off"
    some = " of the jobs that `when` describes" if document["when"] else " of all jobs"
    clients = f", and {len(document['clients'])} clients" if document["clients"] else ""
    return f"on for {share_text(document['share'])}{some}{clients}"


def _change(change: FlagChangeView) -> str:
    why = f": {change.reason}" if change.reason else ""
    head = f"{change.number} by {change.actor} at {change.at:%Y-%m-%d %H:%M:%S} UTC{why}"
    if change.document is None:
        return f"{head}\n    removed"
    lines = [
        f"    {name}: {before or 'nothing'} → {after or 'nothing'}"
        for name, before, after in rule_changes(change.before, change.document)
    ]
    return "\n".join([head, *lines])


FLAG_VERBS: Mapping[str, Callable[[Options], Printed]] = {
    "list": list_all,
    "show": show,
    "history": history,
    "put": put,
    "remove": remove,
    "preview": try_flag,
}
