"""Puts a flag in force whose clients are known here; the registry knows no clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.db.statement import Statement, fetch_all, storable
from models_registry.core.registry_errors import FlagError
from models_registry.core.routing.flag_document import FlagDocument
from models_registry.models import Flag
from models_registry.services.flags import put_flag

_CLIENTS = Statement("SELECT name FROM jobs_client WHERE name = ANY(%(names)s)", str)


def put_known_flag(
    *,
    name: str,
    document: Mapping[str, Any],
    actor: str,
    reason: str = "",
    address: str | None = None,
    number: int | None = None,
) -> Flag:
    """Put a flag in force as `put_flag` does; FlagError also for a client that there is not."""
    check_clients(FlagDocument.of(document))
    return put_flag(name=name, document=document, actor=actor, reason=reason, address=address, number=number)


def check_clients(flag: FlagDocument) -> None:
    """Raise FlagError for a client that there is not."""
    names = [name for name in flag.clients if storable(name)]
    known = set(fetch_all(_CLIENTS, {"names": names})) if names else set[str]()
    if unknown := sorted(set(flag.clients).difference(known)):
        raise FlagError(f"There is no client {unknown[0][:80]!r}.")
