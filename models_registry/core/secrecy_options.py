"""How what a version is asked and answers is kept from others: what its option `encrypt` says.

| option | default | meaning |
|---|---|---|
| `encrypt` | false | inputs, parameters, metadata and results are encrypted at rest, under PAYLOAD_KEYS |

A version that does not say so pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models_registry.core.registry_errors import RegistrationError


@dataclass(frozen=True, slots=True)
class SecrecyOptions:
    """Whether payloads are encrypted at rest."""

    encrypt: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> SecrecyOptions:
        """Read a version's options; RegistrationError where this one is wrong."""
        encrypt = options.get("encrypt", False)
        if not isinstance(encrypt, bool):
            raise RegistrationError(f"The option encrypt is {encrypt!r}; it is true or false.")
        return cls(encrypt)
