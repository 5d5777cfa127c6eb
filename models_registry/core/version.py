"""A registered version as a value, for those who must not hold a row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models_registry.core.secrecy import Secrecy


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One immutable model version: identity, artifact, schemas and batching limits.

    `max_padded_size` is items times the longest item's size in bytes, 0 for no limit; `padded` says that a
    batch is padded to its longest item.
    """

    id: int
    model: str
    version: str
    loader: str
    artifact: str
    sha256: str
    max_batch: int
    max_padded_size: int
    padded: bool
    p95_goal_s: float
    max_attempts: int
    input_schema: Mapping[str, Any] = field(hash=False)
    output_schema: Mapping[str, Any] = field(hash=False)
    example: Any = field(hash=False)
    options: Mapping[str, Any] = field(hash=False)
    input_schema_text: str = field(compare=False, repr=False)
    secrecy: Secrecy = field(default_factory=Secrecy, compare=False, repr=False)

    @property
    def queue(self) -> str:
        """Return the model's name, which is also the name of its queue."""
        return self.model

    def __str__(self) -> str:
        return f"{self.model}:{self.version}"

    @classmethod
    def of(cls, row: Any) -> VersionInfo:
        """Return the value of a ModelVersion row whose model is at hand."""
        same = {name: getattr(row, name) for name in _SAME}
        text = json.dumps(row.input_schema, sort_keys=True, ensure_ascii=False)
        secrecy = Secrecy.of(row.options, row.input_schema, row.output_schema)
        return cls(model=row.model.name, input_schema_text=text, secrecy=secrecy, **same)


_OWN = {"model", "input_schema_text", "secrecy"}
_SAME = tuple(name for name in VersionInfo.__slots__ if name not in _OWN)
