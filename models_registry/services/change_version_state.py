"""Moves of versions between their states."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from models_registry import selectors
from models_registry.core.refs import Ref
from models_registry.core.registry_errors import ModelNotFoundError, VersionStateError
from models_registry.core.version_states import VERSION_TRANSITIONS, VersionState, VersionVerb
from models_registry.models import Alias, ModelVersion, RegisteredModel, Rollout
from models_registry.models.rollouts import LIVE_STATES
from models_registry.services.changes import announce

_LEAVES = frozenset({VersionVerb.RETIRE, VersionVerb.BLOCK})


def change_state(  # which version, and who changes what and why
    *, name: str, version: str, verb: str, actor: str, reason: str, address: str | None = None
) -> VersionState:
    """Move a version to another state, and return that; it joins the caller's transaction.

    ModelNotFoundError. VersionStateError for a verb that its state does not allow, where jobs may be routed
    to a version that would leave, and to unblock without a reason.
    """
    if verb not in {known.value for known in VersionVerb}:
        raise VersionStateError(f"There is no verb {verb[:80]!r}: use {', '.join(VersionVerb)}.")
    Ref.parse(f"{name}:{version}")  # what is no name may not even be text for Postgres
    with transaction.atomic():
        # Rules, moves and states of a model take turns.
        RegisteredModel.objects.select_for_update().filter(name=name).first()
        rows = ModelVersion.objects.select_related("model").filter(model__name=name, version=version)
        row = rows.first()
        if row is None:
            raise ModelNotFoundError(f"There is no model '{name}:{version}'.")
        _check(row, VersionVerb(verb), reason)
        _, state = VERSION_TRANSITIONS[VersionVerb(verb)]
        rows.update(state=state)
        detail = {"model": name, "version": version, "before": row.state, "after": state.value}
        announce("version_state", actor=actor, **detail, **_given(address=address, reason=reason))
        selectors.forget()
        transaction.on_commit(selectors.forget)
    return state


def _check(row: ModelVersion, verb: VersionVerb, reason: str) -> None:
    sources, _ = VERSION_TRANSITIONS[verb]
    if row.state not in sources:
        allowed = " or ".join(sorted(sources))
        raise VersionStateError(f"{row} is {row.state}; {verb} needs {allowed}.")
    if verb is VersionVerb.UNBLOCK and not reason.strip():
        raise VersionStateError(f"Give a reason to unblock {row}: it is part of the record.")
    if verb in _LEAVES and (use := _use(row)):
        raise VersionStateError(f"{row} gets jobs by {use}: to {verb.value} it, route them elsewhere first.")


def _use(row: ModelVersion) -> str:
    """Return through what jobs may be routed to the version; empty where nothing does."""
    rollouts = Rollout.objects.filter(Q(stable=row) | Q(candidate=row), state__in=LIVE_STATES)
    if (rollout := rollouts.values_list("id", flat=True).first()) is not None:
        return f"roll-out {rollout}"
    one, by_rule = {"version": row.version}, Q()
    for named in ({"candidate": row.version}, {"arms": [one]}, {"shadow": one}):
        by_rule |= Q(rule__document__contains=named)
    own = Q(model=row.model) & (Q(version=row) | by_rule)
    # A cascade may name versions of other models than its alias's.
    alias = Alias.objects.filter(own | Q(rule__steps__contains=[{"version": str(row)}])).first()
    return "" if alias is None else f"the alias {alias}"


def _given(**detail: str | None) -> dict[str, str]:
    return {name: text for name, text in detail.items() if text}
