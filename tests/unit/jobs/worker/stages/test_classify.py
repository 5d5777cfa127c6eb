"""An exception becomes a failure of the closed set that can be stored."""

from __future__ import annotations

import pytest

from jobs.core.failures import FailureKind
from jobs.worker.stages.classify import failure_of
from models_registry.core.faults import Fault, Row
from models_registry.core.registry_errors import (
    BadOutputError,
    InvalidInputError,
    NotFiniteError,
    RetryableError,
)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (InvalidInputError("no"), FailureKind.INVALID, "invalid_input"),
        (RetryableError("later"), FailureKind.TRANSIENT, "retryable"),
        (BadOutputError("odd"), FailureKind.INTERNAL, "bad_output"),
        (NotFiniteError(), FailureKind.POISON, "not_finite"),
        (MemoryError(), FailureKind.RESOURCE, "MemoryError"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), FailureKind.RESOURCE, "RuntimeError"),
        (RuntimeError("shapes differ"), FailureKind.INTERNAL, "RuntimeError"),
        (TimeoutError(), FailureKind.TIMEOUT, "TimeoutError"),
        (ValueError("out of memory"), FailureKind.INTERNAL, "ValueError"),
    ],
)
def test_an_exception_has_a_kind_and_a_stable_code(error: Exception, kind: FailureKind, code: str) -> None:
    failure = failure_of(error)
    assert (failure.kind, failure.code) == (kind, code)
    assert failure.message


@pytest.mark.parametrize("fault", sorted(Fault))
def test_every_exception_has_a_kind_of_failure(fault: Fault) -> None:
    table = (Row("builtins.KeyError", fault),)
    assert failure_of(KeyError("x"), table).kind == FailureKind(fault.value)


def test_an_exception_that_cannot_be_read_is_a_failure_too() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError("no words")

    failure = failure_of(MuteError())
    assert (failure.kind, failure.code, failure.message) == (FailureKind.INTERNAL, "MuteError", "MuteError")


def test_torch_s_own_error_lacks_resources() -> None:
    import torch

    failure = failure_of(torch.cuda.OutOfMemoryError("CUDA out of memory."))
    assert (failure.kind, failure.code) == (FailureKind.RESOURCE, "OutOfMemoryError")


def test_a_failure_has_its_traceback_and_is_bounded() -> None:
    def deep(level: int) -> None:
        if level:
            deep(level - 1)
        raise ValueError("x" * 50_000)

    with pytest.raises(ValueError, match="x") as caught:
        deep(200)
    failure = failure_of(caught.value)
    assert len(failure.traceback) <= 8_000
    assert len(failure.message) <= 2_000


def test_a_message_that_postgres_or_utf8_cannot_hold_is_made_storable() -> None:
    failure = failure_of(ValueError("a\0b\ud800c"))
    assert "\0" not in failure.message + failure.traceback
    assert (failure.message + failure.traceback).encode()
