"""The outcomes of one input under two versions, compared. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec

from jobs.core.failures import Failure, Outcome, Success
from jobs.core.payloads.stored_output import output_json
from models_registry.core.agreement.agree import Compared, OwnComparison, agree
from models_registry.core.agreement.option import Agreement


@dataclass(frozen=True)
class OutcomePair:
    """One job's input under the candidate and under the stable version, None where there is none."""

    job: UUID
    candidate: Outcome
    stable: Outcome | None

    @property
    def candidate_alone_failed(self) -> bool:
        """Return whether the candidate failed where the stable version answered."""
        return isinstance(self.candidate, Failure) and isinstance(self.stable, Success)

    @property
    def stable_answered(self) -> bool:
        """Return whether the stable version answered."""
        return isinstance(self.stable, Success)

    @property
    def stable_alone_failed(self) -> bool:
        """Return whether the stable version failed where the candidate answered."""
        return isinstance(self.candidate, Success) and isinstance(self.stable, Failure)

    @cached_property
    def outputs(self) -> tuple[Any, Any]:
        """Return both outputs as JSON values; None for a failure."""
        return _value(self.candidate), _value(self.stable)

    def compared(self, agreement: Agreement, own: OwnComparison | None) -> Compared | None:
        """Compare the outputs; None where one of the two is missing."""
        if not (isinstance(self.candidate, Success) and isinstance(self.stable, Success)):
            return None
        ours, theirs = self.outputs
        return agree(agreement, ours, theirs, own=own)


def value_of(outcome: Success) -> Any:
    """Return an output as a JSON value."""
    return msgspec.json.decode(output_json(outcome.body))


def _value(outcome: Outcome | None) -> Any:
    return value_of(outcome) if isinstance(outcome, Success) else None


def code_of(outcome: Failure, *, guarded: bool) -> str:
    """Return what a report may say of a failure: its kind and code, never its words, which quote inputs.

    The class of an exception may be made of data too: of a guarded version only the name of loaded code.
    """
    code = outcome.known.code if guarded and outcome.known is not None else outcome.code
    return f"{outcome.kind.value}: {code}"
