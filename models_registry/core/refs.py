"""How a job names a model: `name`, `name:version` or `name@alias`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from models_registry.core.registry_errors import ModelNotFoundError

DEFAULT_ALIAS = "default"
_LONGEST = 63
_REF = re.compile(
    rf"(?P<name>[a-z0-9][a-z0-9._-]{{0,{_LONGEST - 1}}})"
    rf"(?:(?P<mark>[:@])(?P<rest>[a-z0-9][a-z0-9._-]{{0,{_LONGEST - 1}}}))?"
)
_SHOWN = 80
# The queue of a model `x.dead` would be that of the dead letters of `x`; of `x.slow`, that of its slow lane.
RESERVED_ENDING = ".dead"
SLOW_ENDING = ".slow"


@dataclass(frozen=True, slots=True)
class Ref:
    """A model, and a version of it by name or by alias: exactly one of `version` and `alias` is not empty."""

    name: str
    version: str = ""
    alias: str = ""

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Parse `name`, `name:version` or `name@alias`; ModelNotFoundError for any other text."""
        match = _REF.fullmatch(text)
        if match is None:
            raise ModelNotFoundError(
                f"{_short(text)} names no model: use `name`, `name:version` or `name@alias`,"
                " in lower-case letters, digits, dots and dashes."
            )
        if match["mark"] == ":":
            return cls(match["name"], version=match["rest"])
        return cls(match["name"], alias=match["rest"] or DEFAULT_ALIAS)

    def __str__(self) -> str:
        return f"{self.name}:{self.version}" if self.version else f"{self.name}@{self.alias}"


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
