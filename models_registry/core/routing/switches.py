"""The platform's own switches: each is on, unless a flag of its name is off for the job. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from models_registry.core.routing.decision import Ask
from models_registry.core.routing.flag_document import CompiledFlag


class Switch(StrEnum):
    """What a flag of this name switches off; the value is the flag's name."""

    AUTO_ROLLBACK = "auto_rollback"
    SHADOW = "shadow"
    CACHE = "cache"
    ESCALATE = "escalate"


MEANINGS: Mapping[Switch, str] = {
    Switch.AUTO_ROLLBACK: (
        "The judge rolls a candidate back by itself. Off: it takes the share away, holds the roll-out as"
        " `paused` and says so, and a person decides."
    ),
    Switch.SHADOW: "Live jobs are copied into duels, as a rule's `shadow` says. Off: no copies are made.",
    Switch.CACHE: (
        "A job may take a stored result or wait for an identical job. Off: it runs, as with"
        " `cache: bypass`, and leaves no result for others."
    ),
    Switch.ESCALATE: (
        "A job that its cascade's first version is not sure of goes to the second one. Off: the first answer"
        " is given."
    ),
}


def is_on(flags: Mapping[str, CompiledFlag], switch: Switch, ask: Callable[[], Ask]) -> bool:
    """Return whether a switch is on for a job, given the flags in force; on where no flag has its name.

    `ask` is called only where one has, and depends on the job.
    """
    flag = flags.get(switch)
    if flag is None:
        return True
    return flag.is_on(ask()) if flag.for_all is None else flag.for_all
