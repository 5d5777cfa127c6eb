"""Which jobs an act on many is for, as a value that is kept beside the act."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from jobs.core.acting.bulk_verbs import BulkVerb
from jobs.core.states import State


class JobSelection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A selection of jobs; None is any. `since` and `until` are times of creation, `died_…` of death.

    `field` is one of the metadata that the model is found by, `value` what it holds.
    """

    state: State | None = None
    model: str | None = None
    version: int | None = None
    client: int | None = None
    priority: int | None = None
    kind: str | None = None
    code: str | None = None
    fingerprint: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    died_since: datetime | None = None
    died_until: datetime | None = None
    field: str | None = None
    value: str | None = None

    def states_for(self, verb: BulkVerb) -> list[State]:
        """Return the states of the jobs that the act is for; none where it does not apply to them."""
        return [state for state in verb.states if self.state in (None, state)]

    def by(self, at: datetime) -> JobSelection:
        """Return the selection without jobs that came, or died, later than `at`."""
        return msgspec.structs.replace(
            self, until=min(self.until or at, at), died_until=min(self.died_until or at, at)
        )

    def without_content(self) -> dict[str, Any]:
        """Return the selection for the audit, which holds no value of a job's metadata."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return {name: part for name, part in plain.items() if name != "value"}


def encoded(selection: JobSelection) -> str:
    """Return a selection as JSON."""
    return msgspec.json.encode(selection).decode()


def decoded(text: str | bytes) -> JobSelection:
    """Return the selection of a JSON text."""
    return msgspec.json.decode(text, type=JobSelection)
