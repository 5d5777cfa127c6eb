"""The audit Event of one submit call, stored by the first statement that makes one of its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.services.access.audit import submit_columns
from jobs.services.access.owner import Owner


class CallEvent:
    """One call's Event: its columns, until it is stored."""

    def __init__(self, owner: Owner, *, jobs: int, refused: int) -> None:
        """Describe a call of `owner` that makes `jobs` and refuses `refused`; of one job alone, that job."""
        self._columns = submit_columns(owner, jobs=jobs, refused=refused)
        self._stored = False

    @property
    def columns(self) -> Mapping[str, Any]:
        """Return the parameters for a statement that stores jobs; `audit` is None once it is stored."""
        return {**self._columns, "audit": None} if self._stored else self._columns

    def stored_with(self, jobs: int) -> None:
        """Note that a statement stored so many jobs, and the Event with the first of them."""
        self._stored = self._stored or jobs > 0
