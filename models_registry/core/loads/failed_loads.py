"""Which versions could not be loaded, and when each is tried again: later after each failure."""

from __future__ import annotations

from dataclasses import dataclass

from models_registry.shared.platform_errors import PlatformError

RETRY_S, LONGEST_RETRY_S = 5.0, 60.0


@dataclass(frozen=True, slots=True)
class FailedLoad:
    """Why a version could not be loaded, and when it is tried again, in the caller's seconds."""

    error: PlatformError
    model: str
    delay_s: float
    due_s: float


class FailedLoads:
    """The failures of one worker; the caller gives the time."""

    def __init__(self) -> None:
        self._failed: dict[int, FailedLoad] = {}

    def note(self, version: int, model: str, error: PlatformError, now: float) -> None:
        """Note a failure: the version rests for RETRY_S, doubled with each further one."""
        before = self._failed.get(version)
        delay_s = RETRY_S if before is None else min(2 * before.delay_s, LONGEST_RETRY_S)
        self._failed[version] = FailedLoad(error, model, delay_s, now + delay_s)

    def rest(self, version: int, model: str, error: PlatformError, *, now: float, delay_s: float) -> None:
        """Note a failure after which the version rests for `delay_s`."""
        self._failed[version] = FailedLoad(error, model, delay_s, now + delay_s)

    def forget(self, version: int) -> bool:
        """Forget a version's failures; return whether there were any."""
        return self._failed.pop(version, None) is not None

    def try_now(self, version: int, now: float) -> None:
        """Let a version be tried at once; its next failure counts as a further one."""
        failed = self._failed.get(version)
        if failed is not None:
            self._failed[version] = FailedLoad(failed.error, failed.model, failed.delay_s, now)

    def resting(self, version: int, now: float) -> FailedLoad | None:
        """Return why the version is not to be tried yet; None where it may be."""
        failed = self._failed.get(version)
        return failed if failed is not None and now < failed.due_s else None

    def models(self) -> set[str]:
        """Return the models of which a version could not be loaded."""
        return {failed.model for failed in self._failed.values() if failed.model}
