"""The message: a versioned pointer to a job, never a user's data, as a Celery task's keyword arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from jobs.core.errors import MalformedEnvelopeError

TASK_NAME = "jobs.infer"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Envelope:
    """A pointer at one job's current epoch.

    `version` is the row id of the model version, `priority` the API's 0-9, `size` the input's length in
    the model's unit, a hint that is 0 where length does not matter.
    """

    job: UUID
    epoch: int
    version: int
    priority: int
    size: int = 0

    def to_kwargs(self) -> dict[str, Any]:
        """Return the JSON-ready keyword arguments of the task."""
        return {"v": VERSION} | asdict(self) | {"job": str(self.job)}

    @classmethod
    def from_kwargs(cls, kwargs: object) -> Envelope:
        """Read keyword arguments, unknown keys ignored; MalformedEnvelopeError for anything else."""
        if not isinstance(kwargs, Mapping):
            raise MalformedEnvelopeError("the message's keyword arguments are not a mapping")
        if kwargs.get("v") != VERSION:
            raise MalformedEnvelopeError(f"the message's version is {kwargs.get('v')!r}, not {VERSION}")
        return cls(
            job=_uuid(kwargs.get("job")),
            epoch=_whole(kwargs, "epoch"),
            version=_whole(kwargs, "version"),
            priority=_whole(kwargs, "priority"),
            size=_whole(kwargs, "size"),
        )


def _uuid(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise MalformedEnvelopeError(f"the message's job is {value!r}, not a UUID") from None


def _whole(kwargs: Mapping[Any, Any], name: str) -> int:
    value = kwargs.get(name, 0 if name == "size" else None)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise MalformedEnvelopeError(f"the message's {name} is {value!r}, not a whole number")
    return value
