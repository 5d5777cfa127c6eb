"""Makes the inputs of stored rows for one version, as the claim stage does for claimed jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobs.core.errors import (
    BatchFullError,
    InputTooLargeError,
    InvalidInputError,
    PayloadUnavailableError,
    PayloadUnreadableError,
)
from jobs.core.failures import Failure, FailureKind
from jobs.core.payloads.job_keys import JobIdentity
from jobs.core.payloads.keyring import PLAIN
from jobs.payloads.job_seal import JobSeal
from jobs.services.lifecycle.claim import Claimed
from jobs.services.trials.stored_inputs import StoredInput
from jobs.worker.stages.inputs import BatchInputs
from models_registry.core.runner import Item, takes_files
from models_registry.loaders.ready import Loaded
from models_registry.selectors import validate_input


@dataclass(slots=True)
class ReadInputs:
    """The inputs of rows by position: `items`, those that the version `refuses`, and `unreadable` ones.

    Where the memory of a batch is full, the rows from `full_at` on were not read.
    """

    full_at: int
    items: dict[int, Item] = field(default_factory=dict)
    refuses: dict[int, Failure] = field(default_factory=dict)
    unreadable: set[int] = field(default_factory=set)


def read_for(loaded: Loaded, rows: Sequence[StoredInput]) -> ReadInputs:
    """Read rows for a version; PayloadUnavailableError where the storage does not answer.

    A version that does not encrypt gets no input that is encrypted: to it, that is unreadable.
    """
    info, as_files = loaded.info, takes_files(loaded.runner)
    inputs, read = BatchInputs(info, as_files=as_files), ReadInputs(len(rows))
    for at, row in enumerate(rows):
        try:
            if row.encrypts and not info.secrecy.encrypt:
                raise PayloadUnreadableError  # noqa: TRY301  # handled as the others are
            item = inputs.item_of(claimed(row), _seal(row))
            if not as_files:  # a schema knows no files; those of a runner that takes them were checked
                validate_input(info, item.input)
            read.items[at] = item
        except BatchFullError:
            read.full_at = at
            break
        except (InvalidInputError, InputTooLargeError) as error:
            read.refuses[at] = Failure(FailureKind.INVALID, error.code, "")  # its words may quote the input
        except PayloadUnavailableError:
            raise
        except PayloadUnreadableError:
            read.unreadable.add(at)
    return read


def claimed(row: StoredInput) -> Claimed:
    """Return a stored input as the stages of the worker know it."""
    return Claimed(
        job=row.job,
        epoch=0,
        attempts=1,
        max_attempts=1,
        body=row.body or b"",
        parameters=row.parameters,
        encoding=row.encoding or PLAIN,
        client=row.client,
        wrapped=row.wrapped,
        answer=row.answer,
    )


def _seal(row: StoredInput) -> JobSeal:
    identity = JobIdentity(row.job, row.client, row.model)
    return JobSeal(identity, row.wrapped, row.answer, encrypts=row.encrypts)
