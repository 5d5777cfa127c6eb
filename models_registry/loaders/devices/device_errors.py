"""Errors of a device and its libraries: which exceptions name one, and which of them no input can cause.

The words are those of `cudaGetErrorString`, cuBLAS, cuDNN, NCCL and Triton. They only say when to look at the
device: whether it still answers is for a probe, because an exception may quote any input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models_registry.core.faults import text_of

MOST_CAUSES = 8
MOST_CHARS = 20_000
_LIBRARY = re.compile(
    r"cuda|cublas|cudnn|cusolver|cusparse|cufft|curand|cutlass|nccl|nvrtc|nvlink|triton|acceleratorerror"
    r"|distbackenderror|device-side assert|\bECC\b",
    re.IGNORECASE,
)
# Another device may run the same input; all other errors may come from a kernel that met a bad input.
_HARDWARE = re.compile(
    r"uncorrectable ECC|NVLink|no CUDA-capable device|busy or unavailable|system not yet initialized"
    r"|system has unsupported|driver shutting down|invalid device ordinal|gpu is lost|fallen off the bus"
    r"|\bMPS\b|hardware error",
    re.IGNORECASE,
)


def names_device(error: BaseException) -> bool:
    """Return whether an exception, or one that caused it, names a device or one of its libraries."""
    return any(_LIBRARY.search(words) for words in _words(error))


def is_hardware(error: BaseException) -> bool:
    """Return whether an exception, or one that caused it, is of a kind that no input can cause."""
    return any(_HARDWARE.search(words) for words in _words(error))


def _words(error: BaseException) -> Iterator[str]:
    """Yield the types and messages of an exception and its causes: a model may wrap what a library raised."""
    following: BaseException | None = error
    for _ in range(MOST_CAUSES):
        if following is None:
            return
        kinds = " ".join(f"{kind.__module__}.{kind.__qualname__}" for kind in type(following).__mro__)
        yield f"{kinds} {text_of(following)[:MOST_CHARS]}"
        following = following.__cause__ or following.__context__
