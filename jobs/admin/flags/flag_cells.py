"""Cells of flags, for their list and their pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.links import one_line
from jobs.admin.rollouts.rule_admin import diff
from jobs.services.flags.flag_views import flag_changes
from models_registry.core.routing.rule_changes import share_text
from models_registry.core.routing.switches import MEANINGS, Switch
from models_registry.models import Flag
from models_registry.services.flags import flag_users
from models_registry.shared.admin_moment import aged, moment
from models_registry.shared.admin_render import NONE, table

MOST_CHANGES = 100


def flag_link(flag: Flag) -> SafeString:
    """Return a link to the page of a flag."""
    address = reverse("admin:models_registry_flag_change", args=(flag.pk,))
    return format_html('<a href="{}">{}</a>', address, one_line(flag.name))


def on_for(document: Mapping[str, Any]) -> str:
    """Return for whom a flag is on, in a few words."""
    if not document["on"]:
        return "off"
    some = " of the jobs that its schema describes" if document["when"] else ""
    clients = f", and {len(document['clients'])} clients" if document["clients"] else ""
    return f"{share_text(document['share'])}{some}{clients}"


def ends(flag: Flag) -> SafeString:
    """Return when a flag is to be removed, marked where that is over."""
    if flag.expires_at > timezone.now():
        return aged(flag.expires_at)
    return format_html('<span class="state state-dead">expired</span> {}', aged(flag.expires_at))


def users_cell(flag: Flag) -> str:
    """Return what decides by a flag."""
    if flag.name in {*Switch}:
        return f"a switch of the platform: {MEANINGS[Switch(flag.name)]}"
    return ", ".join(flag_users(flag.name)) or "no rule in force and no live roll-out"


def changes_cell(flag: Flag) -> SafeString:
    """Return the newest changes of a flag, newest first, each as what it changed."""
    rows = [
        (
            change.number,
            flag_diff(change.before, change.document),
            change.actor,
            change.reason or NONE,
            moment(change.at),
        )
        for change in flag_changes(flag.name, most=MOST_CHANGES)
    ]
    return table(("change", "what it changed", "by", "reason", "when"), rows)


def flag_diff(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> SafeString | str:
    """Return what a change made of a flag, a line for each field; `after` is None where it was removed."""
    return "removed" if after is None else diff(_worded(before) if before else None, _worded(after))


def _worded(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flag whose end is written as all times of these pages are."""
    end = datetime.fromisoformat(document["expires_at"]).astimezone(UTC)
    text = end.isoformat(" ", "milliseconds").removesuffix("+00:00")
    return {**document, "expires_at": f"{text} UTC"}
