"""The keys of this process against those that the database's secrets were made with.

A wrong SECRET_KEY makes secrets that nobody else can read, and a missing payload key fails jobs one by one;
neither would be noticed at the start. The first process notes a key, every later one must have the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.errors import DatabaseUnusableError
from jobs.core.payloads.keyed_digest import derived
from jobs.db.statement import Statement, execute
from jobs.services.access.audit import note

SECRET_KEY = "SECRET_KEY"  # noqa: S105  # a name
PAYLOAD = "payload:"
ACCEPT = "`manage.py accept_keys` accepts this process's keys instead"


class _Known(NamedTuple):
    name: str
    digest: bytes


_KNOWN: Statement[_Known] = Statement("SELECT name, digest FROM jobs_knownkey ORDER BY name", _Known)
_NOTE = Statement("""
INSERT INTO jobs_knownkey (name, digest) SELECT * FROM unnest(%(names)s::text[], %(digests)s::bytea[])
ON CONFLICT (name) DO NOTHING
""")
_REPLACE = Statement("""
INSERT INTO jobs_knownkey (name, digest) VALUES (%(name)s, %(digest)s)
ON CONFLICT (name) DO UPDATE SET digest = EXCLUDED.digest
""")
_FORGET = Statement("DELETE FROM jobs_knownkey WHERE NOT name = ANY(%(names)s::text[])")


def check_keys() -> None:
    """Note this process's keys where they are new; DatabaseUnusableError where they differ."""
    known = _known()
    if faults := _faults(known):
        raise DatabaseUnusableError(f"{' '.join(faults)} {ACCEPT}.")
    _note_new(known)


def accept_keys(*, actor: str) -> list[str]:
    """Let this process's keys be the known ones; return a sentence for each that was not."""
    with transaction.atomic():
        faults = _faults(_known())
        execute(_FORGET, {"names": []})
        _note_new({})
        note(AuditKind.ROTATE_KEYS, actor=actor, accepted=faults)
    return faults


def accept_site_key(*, actor: str) -> None:
    """Let this process's SECRET_KEY be the known one, after a rotation."""
    execute(_REPLACE, {"name": SECRET_KEY, "digest": _own()[SECRET_KEY]})
    note(AuditKind.ROTATE_KEYS, actor=actor, accepted=[SECRET_KEY])


def forget_older_keys() -> None:
    """Forget all payload keys but the first, because nothing is sealed by another one any more."""
    execute(_FORGET, {"names": list(_encrypting())})


def _known() -> dict[str, bytes]:
    return {row.name: bytes(row.digest) for row in execute(_KNOWN)}


def _note_new(known: Mapping[str, bytes]) -> None:
    new = {name: digest for name, digest in _encrypting().items() if name not in known}
    if new:
        execute(_NOTE, {"names": list(new), "digests": list(new.values())})


def _encrypting() -> dict[str, bytes]:
    """Return the digests of the keys that make secrets now: older ones only read."""
    return dict(list(_own().items())[:2])


def _own() -> dict[str, bytes]:
    config = settings.INFERENCE
    keys = {SECRET_KEY: config.secret_key.encode()} if config.secret_key else {}  # GPU workers have none
    keys |= {f"{PAYLOAD}{name}": key for name, key in config.payload_keys}
    return {name: derived(key, f"known/{name}") for name, key in keys.items()}


def _older_site_keys() -> list[bytes]:
    """Return the digests of former values of SECRET_KEY, one of which is known until a rotation has ended."""
    former = settings.INFERENCE.secret_key_fallbacks
    return [derived(key.encode(), f"known/{SECRET_KEY}") for key in former]


def _faults(known: Mapping[str, bytes]) -> list[str]:
    own, older, faults = _own(), _older_site_keys(), list[str]()
    for name, digest in known.items():
        of_payloads = name.removeprefix(PAYLOAD) if name.startswith(PAYLOAD) else ""
        if own.get(name, digest) != digest and digest not in older:
            setting = f"The key {of_payloads!r} of PAYLOAD_KEYS" if of_payloads else SECRET_KEY
            faults.append(f"{setting} is not the one that this database's secrets were made with.")
        elif of_payloads and name not in own:
            faults.append(
                f"PAYLOAD_KEYS lacks the key {of_payloads!r}, under which processes here seal payloads."
            )
    return faults
