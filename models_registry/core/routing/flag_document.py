"""A flag: whether something is on for a job, by its client, by what describes it, or for a share. Pure.

The share is drawn as a rule's is, by the same hash of the same key: a preview tells what jobs will get.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from models_registry.core.patterns import validator
from models_registry.core.registry_errors import FlagError
from models_registry.core.routing.decision import Ask, bucket_of
from models_registry.core.routing.rule_document import PPM, FlagName, Share
from models_registry.core.struct_fields import about, allowed, first_fault, half_pair_fault

MOST_CLIENTS = 1_000
FIRST_END, LAST_END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
ClientName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00]*\Z")]


class FlagReason(StrEnum):
    """Why a flag is on or off for a job; the value is shown."""

    OFF = "off"  # for all jobs
    CLIENT = "client"  # on, because its client is named
    WHEN = "when"  # off, because the schema does not describe it
    SHARE = "share"  # its bucket decides


class FlagDecision(NamedTuple):
    """Whether a flag is on for a job, why, and the job's bucket among a million."""

    on: bool
    why: FlagReason
    bucket: int


def check_flag_name(name: str) -> None:
    """Raise FlagError for what cannot be the name of a flag."""
    try:
        msgspec.convert(name, FlagName)
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter for half of a surrogate pair
        raise FlagError(f"{name[:80]!r} is no name of a flag: use {allowed(FlagName)}.") from None


class FlagDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """What a flag says, as a person writes it."""

    owner: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*\Z")],
        about("Who answers for it, and is asked when it has expired."),
    ]
    expires_at: Annotated[
        Annotated[datetime, Meta(tz=True)],
        about(
            "When it is to be removed, at the latest with the year 2199; kept in UTC. It works on, and is"
            " listed as expired.",
            allowed="a time with its zone",
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
        if fault := half_pair_fault(document, "flag"):
            raise FlagError(fault)
        try:
            flag = msgspec.convert(document, cls)
        except msgspec.ValidationError as error:
            fault = first_fault(cls, document, noun="field")
            raise FlagError(fault or f"The flag is wrong: {error}.") from None
        return _with_end_in_utc(flag)

    @property
    def document(self) -> dict[str, Any]:
        """Return the flag as JSON, with every field."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document


def _with_end_in_utc(flag: FlagDocument) -> FlagDocument:
    """Return the flag with its end in UTC; FlagError for one that could be stored, but not read again.

    Years go to 9999 in Python, and offsets to 15:59 in Postgres.
    """
    end = flag.expires_at
    if not FIRST_END <= end < LAST_END:
        raise FlagError(
            f"expires_at is {end.isoformat()}: name a time from {FIRST_END.year} to {LAST_END.year - 1}."
        )
    return msgspec.structs.replace(flag, expires_at=end.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class CompiledFlag:
    """A flag in force, with what each job needs of it made once. Its share is drawn by its name.

    `number` counts its documents, from 1; 0 where it is not in force. `for_all` is whether it is on for each
    job, None where that depends on the job: only then anything of a job has to be known.
    """

    name: str
    document: FlagDocument
    number: int = 0
    matches: Callable[[Any], bool] | None = field(init=False, compare=False, repr=False)
    clients: frozenset[str] = field(init=False, compare=False, repr=False)
    bound: int = field(init=False, compare=False, repr=False)
    for_all: bool | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        flag = self.document
        made = {
            "matches": None if flag.when is None else validator(flag.when).is_valid,
            "clients": frozenset(flag.clients),
            "bound": round(flag.share * PPM),
            "for_all": _for_all(flag),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)  # the class is frozen

    def is_on(self, ask: Ask) -> bool:
        """Return whether it is on for a job; a share that grows keeps whom it had."""
        if self.for_all is not None:
            return self.for_all
        if ask.client in self.clients:
            return True
        if self.matches is not None and not self.matches(ask.described):
            return False
        return self.bound >= PPM or bucket_of(self.name, ask.key) < self.bound

    def decide(self, ask: Ask) -> FlagDecision:
        """Return whether it is on for a job, and why, as a preview shows it."""
        on, bucket = self.is_on(ask), bucket_of(self.name, ask.key)
        if not self.document.on:
            return FlagDecision(on, FlagReason.OFF, bucket)
        if ask.client in self.clients:
            return FlagDecision(on, FlagReason.CLIENT, bucket)
        fits = self.matches is None or self.matches(ask.described)
        return FlagDecision(on, FlagReason.SHARE if fits else FlagReason.WHEN, bucket)


def _for_all(flag: FlagDocument) -> bool | None:
    """Return whether a flag is on for all jobs (True) or for none (False); None where a job decides."""
    bound = round(flag.share * PPM)
    if not flag.on or (not bound and not flag.clients):
        return False
    return True if flag.when is None and bound >= PPM else None
