"""Which GPU a worker is to see: what its operator asked for, within what a scheduler left visible. Pure.

A scheduler (Slurm, Kubernetes, Docker) hides the GPUs of others by CUDA_VISIBLE_DEVICES, so an index counts
within that list.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobs.core.errors import PlatformError

PREFIXES = ("GPU-", "MIG-")
_HIDDEN = frozenset({"", "-1", "none", "void", "nodevfiles"})


class GpuChoiceError(PlatformError):
    """There is no such GPU."""

    code = "gpu_choice"


def visible_gpu(asked: str, inherited: str | None) -> str:
    """Return the value of CUDA_VISIBLE_DEVICES that shows one GPU alone; GpuChoiceError if it is not there.

    `asked` is an index, or a UUID, of which the first characters are enough; `inherited` is the variable as
    it was, None where it was not set.
    """
    asked, visible = asked.strip(), _visible(inherited)
    if asked.startswith(PREFIXES):
        return _by_uuid(asked, visible)
    if asked.isdecimal():
        return _by_index(int(asked), visible)
    raise GpuChoiceError(
        f"--gpu {asked} is neither an index (0) nor a UUID (GPU-…, MIG-…), which `nvidia-smi -L` lists, nor "
        "`auto`."
    )


def gpus_to_try(uuids: Sequence[str], inherited: str | None) -> list[str]:
    """Return the UUIDs among which `--gpu auto` takes one that is free; GpuChoiceError if there is none.

    `uuids` are those of the host in the order of their indexes; `inherited` as above.
    """
    visible = _visible(inherited)
    tried = list(uuids) if visible is None else [_uuid_of(name, uuids) for name in visible]
    if not tried:
        raise GpuChoiceError("--gpu auto: this host shows no GPU. A container is given them by `--gpus`.")
    return tried


def _uuid_of(name: str, uuids: Sequence[str]) -> str:
    if name.startswith("MIG-"):
        return name  # a part of a GPU is not listed with the whole ones
    for index, uuid in enumerate(uuids):
        if name == str(index) or (name.startswith("GPU-") and uuid.startswith(name)):
            return uuid
    raise GpuChoiceError(
        f"CUDA_VISIBLE_DEVICES names {name}, which is not there: `nvidia-smi -L` lists GPUs."
    )


def _visible(inherited: str | None) -> list[str] | None:
    visible = None if inherited is None else [name.strip() for name in inherited.split(",")]
    if visible is not None and visible[0].lower() in _HIDDEN:
        raise GpuChoiceError(f"CUDA_VISIBLE_DEVICES={inherited} hides all GPUs: unset it, or use --cpu.")
    return visible


def _by_index(index: int, visible: list[str] | None) -> str:
    if visible is None:
        return str(index)
    if index < len(visible):
        return visible[index]
    shown = ",".join(visible)
    raise GpuChoiceError(
        f"--gpu {index} is not among the {len(visible)} of CUDA_VISIBLE_DEVICES={shown}:"
        " count from 0 within it."
    )


def _by_uuid(uuid: str, visible: list[str] | None) -> str:
    if visible is None or not all(name.startswith(PREFIXES) for name in visible):
        return uuid  # indexes cannot be compared with it
    for name in visible:
        if name.startswith(uuid) or uuid.startswith(name):
            return uuid if len(uuid) > len(name) else name
    raise GpuChoiceError(f"--gpu {uuid} is not among those of CUDA_VISIBLE_DEVICES={','.join(visible)}.")
