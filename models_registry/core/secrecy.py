"""What is confidential in a version's jobs: encryption at rest, and personal data marked in its schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from models_registry.core.pii import has_marks, property_names

_NO_MARKS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Secrecy:
    """Whether payloads are encrypted at rest, and the schemas that mark personal data; empty if none does.

    `names` are the property names in the input schema of a guarded version: those may be shown.
    """

    encrypt: bool = False
    input_marks: Mapping[str, Any] = field(default_factory=lambda: _NO_MARKS, hash=False)
    output_marks: Mapping[str, Any] = field(default_factory=lambda: _NO_MARKS, hash=False)
    names: frozenset[str] = frozenset()

    @property
    def personal(self) -> bool:
        """Return whether a schema marks personal data."""
        return bool(self.input_marks or self.output_marks)

    @property
    def guarded(self) -> bool:
        """Return whether anything is confidential: then keys and messages reveal no more than equality."""
        return self.encrypt or self.personal

    @classmethod
    def of(cls, input_schema: Any, output_schema: Any, *, encrypt: bool) -> Secrecy:
        """Return the secrecy that a version's schemas and its option `encrypt` ask for."""
        secrecy = cls(encrypt, _if_marked(input_schema), _if_marked(output_schema))
        return replace(secrecy, names=property_names(input_schema)) if secrecy.guarded else secrecy

    def covers(self, other: Secrecy) -> bool:
        """Return whether an input that `other` protects is protected as much here."""
        return self.encrypt >= other.encrypt and bool(self.input_marks) >= bool(other.input_marks)


def _if_marked(schema: Any) -> Mapping[str, Any]:
    marked: Mapping[str, Any] = schema if has_marks(schema) else _NO_MARKS
    return marked
