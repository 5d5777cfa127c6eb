"""What CUDA and its libraries say, by `cudaGetErrorString` and torch 2.13, and who may be the cause."""

from __future__ import annotations

import pytest

from jobs.core.failures import FailureKind
from jobs.worker.stages.classify import failure_of, is_device_loss
from models_registry.core.faults import Fault, fault_of
from models_registry.loaders.devices.device_errors import is_hardware, names_device
from models_registry.loaders.fault_tables import table_of
from tests.support.lost_device import FakeProbe, device_with

FROM_KERNELS = [
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: an illegal instruction was encountered",
    "CUDA error: the launch timed out and was terminated",
    "CUDA error: device-side assert triggered",
    "CUDA error: misaligned address",
    "CUDA error: operation not supported on global/shared address space",
    "CUDA error: invalid program counter",
    "CUDA error: unspecified launch failure",
    "CUDA error: hardware stack error",
    "CUDA error: unknown error",
    "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb, m, n, k)`",
    "CUDA error: CUBLAS_STATUS_INTERNAL_ERROR when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "NCCL Error 1: unhandled cuda error (run with NCCL_DEBUG=INFO for details)",
    "Triton Error [CUDA]: an illegal memory access was encountered",
    "CUDA driver error: unknown error",
]
FROM_HARDWARE = [
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: uncorrectable NVLink error detected during the execution",
    "CUDA error: no CUDA-capable device is detected",
    "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
    "CUDA error: system not yet initialized",
    "CUDA error: the MPS client has been terminated by the server",
]
WORDS = [*FROM_KERNELS, *FROM_HARDWARE]
NO_MEMORY = [
    "CUDA out of memory. Tried to allocate 2.00 GiB.",
    "CUDA error: out of memory",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
]
TABLE = table_of("entry_point")


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("kind", [RuntimeError, ValueError])
def test_an_error_of_a_device_that_answers_no_more_is_its_loss(words: str, kind: type[Exception]) -> None:
    with device_with(FakeProbe("illegal address")) as device:
        failure = failure_of(kind(f"{words}\nCUDA kernel errors might be reported asynchronously"), TABLE)
    assert (failure.kind, failure.code) == (FailureKind.CRASH, "device_lost")
    assert device.loss is not None
    assert device.loss.hardware is (words in FROM_HARDWARE)
    assert "illegal address" in failure.message
    assert failure.known is not None
    assert failure.known.code == "device_lost"


@pytest.mark.parametrize("words", WORDS)
def test_the_same_words_mean_a_failure_of_the_item_while_the_device_answers(words: str) -> None:
    probe = FakeProbe()
    with device_with(probe) as device:
        failure = failure_of(RuntimeError(words), TABLE)
        assert not is_device_loss(failure)
    assert (failure.kind, probe.asked, device.loss) == (FailureKind.INTERNAL, 1, None)


def test_torch_s_own_class_names_the_device_whatever_it_says() -> None:
    import torch

    assert names_device(torch.AcceleratorError("something new"))
    assert torch.AcceleratorError.__mro__[1] is RuntimeError


@pytest.mark.parametrize("words", NO_MEMORY)
def test_a_device_without_memory_is_not_asked_and_not_lost(words: str) -> None:
    import torch

    probe = FakeProbe("dead")
    with device_with(probe):
        kinds = {failure_of(kind(words), TABLE).kind for kind in (RuntimeError, torch.OutOfMemoryError)}
    assert (kinds, probe.asked) == ({FailureKind.RESOURCE}, 0)


def test_other_errors_do_not_ask_the_device() -> None:
    probe = FakeProbe("dead")
    with device_with(probe):
        assert failure_of(ValueError("a text too long"), TABLE).kind is FailureKind.INTERNAL
    assert probe.asked == 0


def test_a_model_may_wrap_what_the_device_said() -> None:
    wrapped = ValueError("the encoder failed")
    wrapped.__cause__ = RuntimeError(FROM_KERNELS[0])
    assert names_device(wrapped)
    wrapped.__cause__ = RuntimeError(FROM_HARDWARE[0])
    assert is_hardware(wrapped)


def test_a_chain_of_causes_without_an_end_is_read_to_an_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert not names_device(first)


def test_without_a_device_the_words_alone_decide() -> None:
    with device_with(None):
        error = RuntimeError("CUDA error: device-side assert triggered")
        assert failure_of(error, TABLE).kind is FailureKind.CRASH
    assert fault_of(error, TABLE) is Fault.CRASH
