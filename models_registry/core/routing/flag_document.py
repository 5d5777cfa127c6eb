"""A flag: whether something is on for a job, by its client, by what describes it, or for a share. Pure.

The share is drawn as a rule's is, by the same hash of the same key: a preview tells what jobs will get.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from models_registry.core.patterns import validator
from models_registry.core.registry_errors import FlagError
from models_registry.core.routing.decision import Ask, bucket_of
from models_registry.core.routing.rule_document import PPM, Share
from models_registry.core.struct_fields import about, first_fault

MOST_CLIENTS = 1_000
ClientName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00]*\Z")]


class FlagDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """What a flag says, as a person writes it."""

    owner: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*\Z")],
        about("Who answers for it, and is asked when it has expired."),
    ]
    expires_at: Annotated[
        Annotated[datetime, Meta(tz=True)],
        about(
            "When it is to be removed. It works on, and is listed as expired.", allowed="a time with its zone"
        ),
    ]
    on: Annotated[bool, about("Off is off, whatever the rest says.")] = True
    share: Annotated[Share, about("The share of the jobs for which it is on, from 0 to 1.")] = 1.0
    clients: Annotated[
        Annotated[tuple[ClientName, ...], Meta(max_length=MOST_CLIENTS)],
        about("Clients for which it is on, whatever `when` and the share say."),
    ] = ()
    when: Annotated[
        dict[str, Any] | None,
        about(
            "A JSON Schema over an object of `client`, `priority`, `metadata` and `parameters`: it is off"
            " for all other jobs, and the share is one of these.",
            allowed="a JSON Schema as an object",
            default="all jobs",
        ),
    ] = None

    @classmethod
    def of(cls, document: Any) -> FlagDocument:
        """Read a flag; FlagError names the first field that is wrong."""
        if not isinstance(document, dict):
            raise FlagError("A flag is a JSON object.")
        try:
            return msgspec.convert(document, cls)
        except msgspec.ValidationError as error:
            fault = first_fault(cls, document, noun="field")
            raise FlagError(fault or f"The flag is wrong: {error}.") from None

    @property
    def document(self) -> dict[str, Any]:
        """Return the flag as JSON, with every field."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document


@dataclass(frozen=True, slots=True)
class CompiledFlag:
    """A flag in force, with the check of its description made once. Its share is drawn by its name."""

    name: str
    document: FlagDocument
    matches: Callable[[Any], bool] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        when = self.document.when
        object.__setattr__(self, "matches", _always if when is None else validator(when).is_valid)

    def is_on(self, ask: Ask) -> bool:
        """Return whether it is on for a job; a share that grows keeps whom it had."""
        flag = self.document
        if not flag.on:
            return False
        if ask.client in flag.clients:
            return True
        return self.matches(ask.described) and bucket_of(self.name, ask.key) < round(flag.share * PPM)


def _always(_: Any) -> bool:
    return True
