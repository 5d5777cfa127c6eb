"""The states of a registered version, and what moves it from one to another.

    draft ──stage──► staged ──retire──► retired
      └──────block──────┴──► blocked ──unblock──► staged

*Canary* and *live* are no states: which version answers for an alias follows from the rules alone, so that
nothing can disagree. Only a staged version can be routed to.
"""

from __future__ import annotations

from enum import StrEnum


class VersionState(StrEnum):
    """The state of a version; the value is stored in Postgres and shown by the API."""

    DRAFT = "draft"
    STAGED = "staged"
    RETIRED = "retired"
    BLOCKED = "blocked"


class VersionVerb(StrEnum):
    """What moves a version from one state to another."""

    STAGE = "stage"
    RETIRE = "retire"
    BLOCK = "block"
    UNBLOCK = "unblock"


# (states it may start from, the state it ends in)
VERSION_TRANSITIONS: dict[VersionVerb, tuple[frozenset[VersionState], VersionState]] = {
    VersionVerb.STAGE: (frozenset({VersionState.DRAFT}), VersionState.STAGED),
    VersionVerb.RETIRE: (frozenset({VersionState.STAGED}), VersionState.RETIRED),
    VersionVerb.BLOCK: (frozenset({VersionState.DRAFT, VersionState.STAGED}), VersionState.BLOCKED),
    VersionVerb.UNBLOCK: (frozenset({VersionState.BLOCKED}), VersionState.STAGED),
}
