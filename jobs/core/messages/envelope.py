"""A pointer at one job, never a user's data: what a message says of it."""

from __future__ import annotations

from uuid import UUID

import msgspec

TASK_NAME = "jobs.infer"


class Envelope(msgspec.Struct, frozen=True):
    """A pointer at one job's current epoch, and what a batcher must know of it.

    `version` is the row id of the model version, `priority` the API's 0-9, `size` the input's length in
    the model's unit (0 where it does not matter), `client` the owner's id, `variant` a digest of the
    parameters (0 for none), `deadline` in Unix seconds, and `apart` the group that it runs in with nothing
    else beside it (0 for none). All but the first three are hints.
    """

    job: UUID
    epoch: int
    version: int
    priority: int
    size: int = 0
    client: int = 0
    variant: int = 0
    deadline: float | None = None
    apart: int = 0
