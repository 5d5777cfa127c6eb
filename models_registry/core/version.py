"""A registered version as a value, for code that must not hold a row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from models_registry.core.options import LIMITS, PlatformOptions
from models_registry.core.secrecy import Secrecy
from models_registry.core.subject import subject_marks


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One immutable model version: identity, artifact, schemas, limits of a batch and options.

    `max_padded_size` is items times the longest item's size in bytes, 0 for no limit; `padded` says that a
    batch is padded to its longest item. `options` is the JSON object that the loader gets. The last four
    fields are made from the others once, here: `platform_options` is the part of the options that the
    platform reads. RegistrationError if one of these is wrong.
    """

    id: int
    model_id: int
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
    platform_options: PlatformOptions = field(init=False, compare=False, repr=False)
    secrecy: Secrecy = field(init=False, compare=False, repr=False)
    subject_marks: Mapping[str, Any] = field(init=False, compare=False, repr=False)
    input_schema_text: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        options = PlatformOptions.of(self.options)
        made = {
            "platform_options": options,
            "secrecy": Secrecy.of(self.input_schema, self.output_schema, encrypt=options.encrypt),
            "subject_marks": subject_marks(self.input_schema),
            "input_schema_text": json.dumps(self.input_schema, sort_keys=True, ensure_ascii=False),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)  # the class is frozen

    def on(self, device: str) -> VersionInfo:
        """Return the version as it is on a device, `cpu` or `cuda:0`: with the options of that profile."""
        profile = self.platform_options.profiles.of(device)
        if not profile:
            return self
        limits = {name: profile[name] for name in LIMITS if name in profile}
        own = {name: value for name, value in profile.items() if name not in LIMITS}
        return replace(self, options={**self.options, **own}, **limits)

    @property
    def metadata_index(self) -> tuple[str, ...]:
        """Return the fields of metadata by which its jobs are found; none where metadata is encrypted."""
        options = self.platform_options
        return () if options.encrypt else options.metadata_index

    @property
    def queue(self) -> str:
        """Return the model's name, which is also the name of its queue."""
        return self.model

    def __str__(self) -> str:
        return f"{self.model}:{self.version}"

    @classmethod
    def of(cls, row: Any) -> VersionInfo:
        """Return the value of a ModelVersion row whose model is loaded."""
        return cls(model=row.model.name, **{name: getattr(row, name) for name in _COLUMNS})


_COLUMNS = tuple(part.name for part in fields(VersionInfo) if part.init and part.name != "model")
