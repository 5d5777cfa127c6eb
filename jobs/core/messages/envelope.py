"""The part of a message that is about one job: ids and hints, never a user's data."""

from __future__ import annotations

from uuid import UUID

import msgspec

TASK_NAME = "jobs.infer"
NEWER = -1  # stands for the version in a message that this process is too old to read


class Envelope(msgspec.Struct, frozen=True):
    """A pointer at one job's current epoch, with hints for the batcher.

    `version` is the row id of the model version, `priority` the API's 0 to 9, `client` the owner's id and
    `deadline` in Unix seconds. `size` is the input's length in the model's unit, `parameters_digest` a digest
    of the parameters, and `isolation_group` the group that runs with no other jobs beside it; 0 means that
    there is none of these. All but the first three fields are hints.
    """

    job: UUID
    epoch: int
    version: int
    priority: int
    size: int = 0
    client: int = 0
    parameters_digest: int = 0
    deadline: float | None = None
    isolation_group: int = 0
