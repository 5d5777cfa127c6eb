"""What of a version's jobs is kept from whom: encrypted at rest, and personal data marked in its schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from models_registry.core.pii import declared, has_marks
from models_registry.core.secrecy_options import SecrecyOptions

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Secrecy:
    """Whether payloads are encrypted at rest, and the schemas that mark personal data; empty where none is.

    `names` are those that the input schema of a guarded version gives to properties: they are no secret.

    `guarded` says that anything is: then keys and messages tell of an input no more than whether it is equal.
    """

    encrypt: bool = False
    input_marks: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, hash=False)
    output_marks: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, hash=False)
    names: frozenset[str] = frozenset()

    @property
    def personal(self) -> bool:
        """Say whether a schema marks personal data."""
        return bool(self.input_marks or self.output_marks)

    @property
    def guarded(self) -> bool:
        """Say whether anything is kept from anybody."""
        return self.encrypt or self.personal

    @classmethod
    def of(cls, options: Mapping[str, Any], input_schema: Any, output_schema: Any) -> Secrecy:
        """Return what a version's options and schemas ask for; RegistrationError."""
        asked, told = (schema if has_marks(schema) else _NOTHING for schema in (input_schema, output_schema))
        found = cls(SecrecyOptions.of(options).encrypt, asked, told)
        return replace(found, names=declared(input_schema)) if found.guarded else found

    def covers(self, other: Secrecy) -> bool:
        """Say whether what `other` keeps is kept here too, as far as an input goes."""
        return self.encrypt >= other.encrypt and bool(self.input_marks) >= bool(other.input_marks)
