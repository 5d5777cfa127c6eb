"""Announces each change of the registry to whoever keeps an audit; the registry itself knows none."""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal

# Sent in the transaction of the change with `act`, `actor` and `detail`; an error of a receiver undoes it.
registry_changed = Signal()
# Sent with `model` and `version`: receivers return the live workers that have not loaded the version.
version_asked = Signal()


def announce(act: str, *, actor: str, **detail: Any) -> None:
    """Announce a change; `detail` holds names, never a payload."""
    registry_changed.send(sender=None, act=act, actor=actor, detail=detail)
