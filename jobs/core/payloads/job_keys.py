"""Who may read a sealed payload: the identity of its job, and the keys of that job. Pure.

Each job of a version that encrypts has two keys of its own, wrapped under the data key of its client and the
month of its id. One seals its input, parameters, metadata, files and messages; the other its result alone,
so that a copy of a result for an identical job can take its key along without a key of the input.

The ids of a job, client and model come from the job's row, never from the row of the payload. A result
that another job ran is read by that job's key. Both keys were wrapped together with the digest of the request
that they answer, so that the result of any other request is refused, whatever the rows say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from jobs.core.payloads.keyring import KEY_BYTES, Column

OF_JOB: Final = "job-key"
OF_CLIENT: Final = "client-key"  # the data key itself
_LATEST_MS: Final = 253_402_300_799_000  # of the year 9999


@dataclass(frozen=True, slots=True)
class DataKeyName:
    """The data key of a client for a month, written as 202612; also its place under the wrapping key."""

    client: int
    month: int
    column: Column = Column.KEY

    @property
    def bound(self) -> bytes:
        """Return the bytes that are authenticated beside the key; each part of them has a fixed length."""
        return b"data-key/1/" + self.client.to_bytes(8, "big") + self.month.to_bytes(4, "big")


@dataclass(frozen=True, slots=True)
class JobIdentity:
    """A job, and the row ids of its client and its model, as the job's own row names them.

    The model and not the version, because a job may change its version within its model where no keys are.
    """

    job: UUID
    client: int
    model: int

    @property
    def data_key(self) -> DataKeyName:
        """Return the name of the data key that wraps the keys of this job."""
        moment = datetime.fromtimestamp(min(self.job.int >> 80, _LATEST_MS) / 1000, UTC)
        return DataKeyName(self.client, moment.year * 100 + moment.month)

    @property
    def bound(self) -> bytes:
        """Return the identity as bytes; each part of them has a fixed length."""
        return self.job.bytes + self.client.to_bytes(8, "big") + self.model.to_bytes(8, "big")

    def of(self, run: UUID | None) -> JobIdentity:
        """Return the identity of the identical job that ran instead; None means this job itself."""
        return self if run is None else replace(self, job=run)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a payload, or with `of_key` that of the key which seals it."""

    identity: JobIdentity
    column: Column
    of_key: bool = False

    @property
    def bound(self) -> bytes:
        """Return the bytes that are authenticated beside the payload."""
        head = b"job-key/2/" if self.of_key else b"payload/3/"
        return head + self.identity.bound + self.column.value.encode()


@dataclass(frozen=True, slots=True)
class FilePlace:
    """The place of a file's key: the object that it opens, for a job or else for a client."""

    owner: JobIdentity | int
    name: str
    column: Column = Column.FILE

    @property
    def bound(self) -> bytes:
        """Return the bytes that are authenticated beside the key."""
        if isinstance(self.owner, int):
            return b"file-key/1/client/" + self.owner.to_bytes(8, "big") + self.name.encode()
        return b"file-key/2/job/" + self.owner.bound + self.name.encode()


@dataclass(frozen=True, slots=True)
class TaggedKey:
    """A key of a job, with the digest of the request whose payloads it seals."""

    key: bytes
    tag: bytes

    def __repr__(self) -> str:
        """Show nothing of the key."""
        return "TaggedKey()"

    @property
    def raw(self) -> bytes:
        """Return both as bytes."""
        return self.key + self.tag

    @classmethod
    def of(cls, raw: bytes) -> TaggedKey:
        """Return the key that `raw` gave."""
        return cls(raw[:KEY_BYTES], raw[KEY_BYTES:])
