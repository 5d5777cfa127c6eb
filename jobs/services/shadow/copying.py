"""The one place that decides whether copies are made and run at all: the switch of operators."""

from __future__ import annotations

from models_registry.core.routing.decision import Ask
from models_registry.core.routing.switches import Switch
from models_registry.flag_reads import flags, switch_is_on


def copies_are_made(ask: Ask) -> bool:
    """Return whether a job that a rule with a shadow decides may be copied."""
    return switch_is_on(Switch.SHADOW, lambda: ask)


def copies_run() -> bool:
    """Return whether copies that were made are run: not while the switch is off for all jobs."""
    flag = flags().get(Switch.SHADOW)
    return flag is None or flag.document.on
