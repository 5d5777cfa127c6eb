"""Which names a label may have: some, and `other` for all else, however many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from threading import Lock

OTHER = "other"
MOST_NAMES = 20
_REMEMBERED = 2_000  # names without a label whose counts are kept
_HALVED_AT = 20_000  # what is long ago counts less and less
_AHEAD = 2.0  # so much busier a name must be to take another's place: two alike would swap it for ever


class FirstNames:
    """The first names of a process, and `other`."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        """Begin without names."""
        self._most, self.names = most, set[str]()

    def label(self, name: str) -> str:
        """Return the label of a name."""
        if name in self.names or len(self.names) < self._most:
            self.names.add(name)
            return name
        return OTHER


class BusiestNames:
    """The busiest names of a process as they are counted, and `other`.

    The first ones are taken soon, so that a small installation sees all of its own; the last ones only once
    they were counted often. When all are taken, a name that is far busier takes the place of the least busy,
    whose series `forget` ends; None where series cannot be ended, as in a folder that processes share. There
    `known` returns the names that others have taken: without it each restart would bring names of its own.
    """

    def __init__(
        self,
        most: int = MOST_NAMES,
        *,
        forget: Callable[[str], None] | None = None,
        known: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        """Begin without names; those that are known are asked for at the first count."""
        self._most, self._forget, self._known = most, forget, known
        self._named = Counter[str]()
        self._unnamed = Counter[str]()
        self._total, self._lock = 0, Lock()

    def count(self, name: str, count: int, add: Callable[[str], object]) -> None:
        """Count a name, and call `add` with its label, whose series no other call ends meanwhile."""
        with self._lock:
            add(self._label(name, count))

    def _label(self, name: str, count: int) -> str:
        if self._known is not None:
            self._named.update(dict.fromkeys({*self._known()} - {OTHER}, 1))
            self._known = None
        self._age(count)
        if name == OTHER:  # a client may have that name: its series is not only its own
            return OTHER
        if name in self._named:
            self._named[name] += count
            return name
        self._unnamed[name] += count
        return name if self._takes_place(name) else OTHER

    def _takes_place(self, name: str) -> bool:
        count, taken = self._unnamed[name], len(self._named)
        if taken < self._most:
            if count < 2 ** (taken // 3):
                return False
        else:
            least = min(self._named, key=self._named.__getitem__)
            if self._forget is None or count <= _AHEAD * self._named[least]:
                return False
            self._unnamed[least] = self._named.pop(least)
            self._forget(least)
        self._named[name] = self._unnamed.pop(name)
        return True

    def _age(self, count: int) -> None:
        self._total += count
        if self._total < _HALVED_AT and len(self._unnamed) <= _REMEMBERED:
            return
        self._total //= 2
        self._named = Counter({name: number // 2 for name, number in self._named.items()})
        kept = self._unnamed.most_common(_REMEMBERED // 2)
        self._unnamed = Counter({name: number // 2 for name, number in kept if number > 1})
