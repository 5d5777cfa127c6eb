"""What is said of a version that cannot be loaded."""

from __future__ import annotations

from models_registry.core.registry_errors import (
    ArtifactMismatchError,
    LoaderRefusedError,
    LoadFailedError,
    OverBudgetError,
)
from models_registry.core.residency import MemoryNeeds, Never
from models_registry.core.version import VersionInfo
from models_registry.shared.platform_errors import PlatformError

MIB = 2**20
_OWN_ERRORS = (ArtifactMismatchError, LoaderRefusedError, OverBudgetError)


def too_large(info: VersionInfo, needs: MemoryNeeds, plan: Never) -> OverBudgetError:
    """Return the error of a version that never fits."""
    size, room = needs.size_bytes / MIB, max(plan.room_bytes, 0) / MIB
    beside = (
        f" beside the {needs.working_bytes / MIB:,.1f} MiB of a full batch" if needs.working_bytes else ""
    )
    return OverBudgetError(
        f"{info} occupies {size:,.1f} MiB, and this worker has {room:,.1f} MiB for it{beside}."
    )


def ran_out(error: BaseException) -> bool:
    """Return whether the error, or what caused it, is that the device or the host has too little memory."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or type(cause).__name__ == "OutOfMemoryError":
            return True
        cause = cause.__cause__
    return False


def load_error(info: VersionInfo, failure: Exception) -> PlatformError:
    """Return the failure as an error of the platform: a disk or a library may fail beside the loader."""
    if isinstance(failure, PlatformError):
        return failure
    return LoadFailedError(f"{info} cannot be loaded: {type(failure).__name__}: {failure}")


def without_words(info: VersionInfo, error: PlatformError) -> PlatformError:
    """Return the error, of a guarded version without what its code says: it may remember inputs of jobs."""
    if not info.secrecy.guarded or type(error) in _OWN_ERRORS:
        return error
    return LoadFailedError(
        f"{info} cannot be loaded. Its message is not shown, because its data is confidential:"
        " a trial load of the same artifact shows it."
    )
