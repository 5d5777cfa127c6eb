"""The secrets of each process: what it must have, and what it may have; anything else is kept from it.

`compose/compose.yaml` gives each service these and no others, as files, which a test compares. A process that
lacks one that it must have, or has one that cannot be used, ends with a sentence; nothing stands in for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from inference_site.environment import Environ


class Process(StrEnum):
    """A kind of process, by its service's name in compose."""

    WEB = "web"
    STREAM = "stream"
    REGISTRAR = "registrar"
    RELAY = "relay"
    GPU_WORKER = "gpu-worker"
    AUTOSCALE = "autoscale"
    CPU_WORKER = "cpu-worker"
    BEAT = "beat"
    FLOWER = "flower"
    DATABASE_ROLES = "database-roles"
    MIGRATE = "migrate"  # and every other command that needs no broker
    OPERATOR = "operator"


@dataclass(frozen=True)
class Needs:
    """Names of variables with secrets; an entry of `must` may name two, of which one is enough."""

    must: tuple[str, ...]
    may: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Return every name, of what is needed and of what is allowed."""
        return frozenset(name for entry in (*self.must, *self.may) for name in entry.split(OR))

    def missing(self, environ: Environ) -> list[str]:
        """Return a sentence for each entry that the environment lacks."""
        return [f"{entry} is not set." for entry in self.must if not _given(entry, environ)]


OR = " or "
DATABASE, BROKER = "DATABASE_URL", "BROKER_URL"
SITE_KEY, PII_KEY = "SECRET_KEY", "PII_KEY"  # the names, not the keys
OLD_KEYS = ("SECRET_KEY_FALLBACKS",)
BUCKET = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SHARED_CREDENTIALS_FILE",
)  # fmt: skip
PAYLOADS = ("PAYLOAD_KEYS", "PAYLOAD_VAULT_TOKEN_FILE", *BUCKET)
DIRECT = ("DATABASE_DIRECT_URL",)
RUNTIME_PASSWORDS = ("DATABASE_RUNTIME_PASSWORD", "DATABASE_RUNTIME_PASSWORD_B")

NEEDS = {
    Process.WEB: Needs((DATABASE, SITE_KEY), (*OLD_KEYS, PII_KEY, *PAYLOADS, *DIRECT)),
    Process.STREAM: Needs((DATABASE, SITE_KEY), (*OLD_KEYS, PII_KEY, *PAYLOADS, *DIRECT)),
    Process.REGISTRAR: Needs((DATABASE, SITE_KEY), (*OLD_KEYS, PII_KEY, *PAYLOADS, *DIRECT)),
    Process.RELAY: Needs((DATABASE, BROKER, SITE_KEY), (*OLD_KEYS, *DIRECT)),  # it signs the audit's seals
    Process.GPU_WORKER: Needs((DATABASE, BROKER, f"{PII_KEY}{OR}{SITE_KEY}"), (*PAYLOADS, *DIRECT)),
    Process.AUTOSCALE: Needs(
        (DATABASE, BROKER, f"{PII_KEY}{OR}{SITE_KEY}"), (*PAYLOADS, *DIRECT)
    ),  # of its workers
    Process.CPU_WORKER: Needs((DATABASE, BROKER, SITE_KEY), (*OLD_KEYS, PII_KEY, *PAYLOADS, *DIRECT)),
    Process.BEAT: Needs((BROKER,)),
    Process.FLOWER: Needs((BROKER, f"FLOWER_BASIC_AUTH{OR}FLOWER_AUTH")),
    Process.DATABASE_ROLES: Needs((DATABASE, "DATABASE_OWNER_PASSWORD", OR.join(RUNTIME_PASSWORDS))),
    Process.MIGRATE: Needs((DATABASE, SITE_KEY), (*OLD_KEYS, PII_KEY, *PAYLOADS, *DIRECT)),
    Process.OPERATOR: Needs((DATABASE, BROKER), DIRECT),
}
SECRETS = frozenset(name for needs in NEEDS.values() for name in needs.names)

_COMMANDS = {
    "relay": Process.RELAY,
    "gpu_worker": Process.GPU_WORKER,
    "autoscale": Process.AUTOSCALE,
    "database_roles": Process.DATABASE_ROLES,
    "load_model": Process.OPERATOR,
    "unload_model": Process.OPERATOR,
    "declare_topology": Process.OPERATOR,
}
_CELERY = {"worker": Process.CPU_WORKER, "beat": Process.BEAT}


def process_of(argv: Sequence[str]) -> Process:
    """Return which process a command line starts; a command that is not listed needs no broker."""
    program, words = Path(argv[0] if argv else ""), argv[1:]
    named = {program.name, program.parent.name}
    if "granian" in named:
        return Process.WEB
    if "viewer" in named:
        return Process.FLOWER
    if "celery" in named:
        return next((_CELERY[word] for word in words if word in _CELERY), Process.OPERATOR)
    if words[:2] == ["dead_letters", "purge-stale"]:
        return Process.OPERATOR
    return _COMMANDS.get(words[0], Process.MIGRATE) if words else Process.MIGRATE


def refuse(mistakes: Iterable[str]) -> None:
    """End this process with its mistakes where there are any: it must not start without what it needs."""
    if sentences := " ".join(mistakes):
        raise SystemExit(f"error: {sentences}")


def _given(entry: str, environ: Environ) -> bool:
    return any(environ.get(name, "").strip() for name in entry.split(OR))
