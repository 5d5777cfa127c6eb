"""The type of a model's weights on a device, where its version leaves the choice to the platform."""

from __future__ import annotations

from typing import Any

AMPERE, VOLTA = 8, 7  # major compute capabilities: the first with bfloat16, the first with fast float16


def chosen_dtype(dtype: str, device_kind: str, major: int | None) -> str:
    """Return `dtype`, or for `auto` the fastest that a device of this compute capability runs well."""
    if dtype != "auto":
        return dtype
    if device_kind != "cuda" or major is None or major < VOLTA:
        return "float32"
    return "bfloat16" if major >= AMPERE else "float16"


def dtype_on(torch: Any, dtype: str, device: str) -> str:
    """Return the type of the weights on `device`, such as `cpu` or `cuda:0`."""
    kind = device.partition(":")[0]
    major = torch.cuda.get_device_capability(device)[0] if dtype == "auto" and kind == "cuda" else None
    return chosen_dtype(dtype, kind, major)
