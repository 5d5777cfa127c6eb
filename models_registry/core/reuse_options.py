"""Whether identical requests of a version share one run: what its options `cache_ttl_s` and `collapse` say.

| option | default | meaning |
|---|---|---|
| `cache_ttl_s` | 0: no cache | for so long a result answers the same client's identical requests |
| `collapse` | true where there is a cache | identical requests in flight run once, for a result each |

A version that says neither pays for neither: its submits and settles touch no other table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models_registry.core.registry_errors import RegistrationError

LONGEST_S = 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class ReuseOptions:
    """How long a result answers again, 0 for never, and whether identical requests in flight run once."""

    cache_ttl_s: float = 0.0
    collapse: bool = False

    @property
    def shares(self) -> bool:
        """Say whether one run of this version may answer several requests."""
        return self.collapse or self.cache_ttl_s > 0

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> ReuseOptions:
        """Read a version's options; RegistrationError where one of these is wrong."""
        ttl_s = options.get("cache_ttl_s", 0)
        if isinstance(ttl_s, bool) or not isinstance(ttl_s, int | float) or not 0 <= ttl_s <= LONGEST_S:
            raise RegistrationError(
                f"The option cache_ttl_s is {ttl_s!r}; it is seconds, from 0 to {LONGEST_S:g}."
            )
        collapse = options.get("collapse", ttl_s > 0)
        if not isinstance(collapse, bool):
            raise RegistrationError(f"The option collapse is {collapse!r}; it is true or false.")
        return cls(float(ttl_s), collapse)
