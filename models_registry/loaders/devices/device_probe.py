"""The probe of a device: it runs something tiny, on a thread of its own, within a time."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

LIMIT_S = 10.0  # a kernel of another lane may keep the device for a while


class DeviceProbe:
    """Asks a device whether it still answers; once it does not, it never does in this process."""

    def __init__(self, run: Callable[[], None], *, limit_s: float = LIMIT_S) -> None:
        """Prepare to ask; `run` does something on the device, and raises where that fails."""
        self._run, self._limit_s = run, limit_s
        self.silence = ""  # why it does not answer

    def answers(self) -> bool:
        """Return whether the device ran something within the limit; on any thread."""
        if self.silence:
            return False
        faults: list[str] = [f"It did not answer within {self._limit_s:g} s."]
        asking = Thread(target=self._ask, args=(faults,), name="device-probe", daemon=True)
        asking.start()
        asking.join(self._limit_s)
        self.silence = "".join(faults)
        return not faults

    def _ask(self, faults: list[str]) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001  # whatever it is, the device did not run it
            faults[:] = [f"{type(error).__name__}: {error}"]
        else:
            faults.clear()
