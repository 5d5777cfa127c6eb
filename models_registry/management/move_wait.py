"""Waits, in a command, until a move of an alias took effect."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.core.management.base import CommandError

from models_registry.models import MoveState
from models_registry.services import finish_moves
from models_registry.services.alias_moves import Moved

LOOK_S = 0.5


def wait_for(moved: Moved, write: Callable[[str], object]) -> None:
    """Return once the move took effect; CommandError where it does not."""
    move = moved.waiting
    if move is None:
        return
    write(f"Workers load {moved.info} first. {move.outcome}")
    while move.state == MoveState.LOADING:
        time.sleep(LOOK_S)
        finish_moves([moved.info.model])
        move.refresh_from_db()
    if move.state != MoveState.MOVED:
        raise CommandError(f"@{move.alias} was not moved. {move.outcome} To move it all the same: --now.")
