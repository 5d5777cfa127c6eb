"""A move of an alias by a person who saw where it pointed, and the version that a roll-back leads to."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from django.db import transaction

from models_registry.core.registry_errors import RegistrationError
from models_registry.models import Alias, ModelVersion, Promotion, RegisteredModel
from models_registry.services.alias_moves import Moved, move_alias


@dataclass(frozen=True, slots=True)
class Mover:
    """Who moves an alias, from which address and why."""

    actor: str
    address: str | None
    reason: str


def promote(*, name: str, alias: str, to: str, seen: str, mover: Mover, now: bool = False) -> Moved:
    """Move an alias from the version `seen` to another, as `move_alias` does.

    RegistrationError if it was moved in between.
    """
    with transaction.atomic():
        RegisteredModel.objects.select_for_update().filter(name=name).first()
        rows = Alias.objects.filter(model__name=name, name=alias)
        there = rows.values_list("version__version", flat=True).first()
        if there != seen:
            raise RegistrationError(
                f"{name}@{alias} was moved since you opened the page, to {there or 'nothing'}."
            )
        return move_alias(name=name, alias=alias, version=to, now=now, **asdict(mover))


def version_before(alias: Alias) -> str | None:
    """Return the version that the alias pointed at before its last move; None if there is none."""
    moves = Promotion.objects.filter(model=alias.model.name, alias=alias.name).order_by("-id")
    last = moves.values_list("before", "after").first()
    if last is None or last[1] != alias.version.version:
        return None
    is_there = ModelVersion.objects.filter(model=alias.model_id, version=last[0]).exists()
    return last[0] if is_there else None
