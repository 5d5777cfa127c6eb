"""The two logins of the processes in the database, of which a rotation takes the other.

A role has one password, so a new one would end every process that connects again before its own restart. Here
the old login stays valid beside the new one until it is retired.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rendering.env_file import RenderError
from rendering.files import write

RUNTIME, RUNTIME_B = PAIR = ("DATABASE_RUNTIME_PASSWORD", "DATABASE_RUNTIME_PASSWORD_B")


class LoginPair:
    """The files of both passwords, and one that says which the processes take.

    That one names the newest, and behind it during a rotation the one before. A rotation writes it last, and
    a retirement empties the password first, so that a crash between two steps leaves a valid pair.
    """

    def __init__(self, folder: Path, word: Callable[[], str]) -> None:
        """Serve from the folder of the secrets; `word` makes a password."""
        self._folder, self._word = folder, word

    @property
    def newest(self) -> str:
        """Return the name of the password that processes take."""
        return self._taken[0]

    def announce(self) -> str:
        """Give the other login a password, which no process takes yet; RenderError during a rotation."""
        other = self._other()
        write(self._folder / other, self._word())
        return f"{other} is new, and no process takes it yet: run database-roles, then --rotate {RUNTIME}."

    def rotate(self) -> str:
        """Let processes take the other login; RenderError where the last rotation has not ended."""
        other = self._other()
        if not self._password(other):
            write(self._folder / other, self._word())
        self._write([other, self.newest])
        return f"Processes take {other} from now on; the one before is valid until --retire {RUNTIME}."

    def retire(self) -> str:
        """Forget the password that processes took before, or one that was announced."""
        newest = self.newest
        for name in PAIR:
            if name != newest:
                write(self._folder / name, "")
        self._write([newest])
        return f"{newest} alone counts: run database-roles, which takes the other login away."

    @property
    def _taken(self) -> list[str]:
        path = self._state
        return path.read_text().split() if path.exists() else [RUNTIME]

    @property
    def _state(self) -> Path:
        return self._folder / "DATABASE_RUNTIME_NEWEST"

    def _write(self, names: list[str]) -> None:
        write(self._state, "\n".join(names))

    def _password(self, name: str) -> str:
        path = self._folder / name
        return path.read_text().strip() if path.exists() else ""

    def _other(self) -> str:
        (other,) = {*PAIR} - {self.newest}
        if other in self._taken and self._password(other):
            raise RenderError(
                f"the last rotation of {RUNTIME} has not ended, its old login is valid: --retire {RUNTIME}, "
                "once all processes have been restarted, and run database-roles"
            )
        return other
