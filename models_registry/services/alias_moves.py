"""Moves of aliases: at once where no live worker lacks the version, else once each of them has loaded it.

A worker that serves the model sees the waiting move, loads the version beside its other work, and ends the
move where it was the last. The command that asked looks too, so a move does not hang on one process.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from models_registry import selectors
from models_registry.core.registry_errors import ModelNotFoundError
from models_registry.core.version import VersionInfo
from models_registry.core.version_states import VersionState
from models_registry.models import (
    Alias,
    AliasMove,
    LoadState,
    ModelVersion,
    MoveState,
    RegisteredModel,
)
from models_registry.services.alias_pointing import (
    AliasChange,
    check_free,
    check_staged,
    end_rules,
    live_rollout,
    point,
)
from models_registry.services.changes import version_asked
from models_registry.services.register import clean_row

WAIT_S = 900.0


class WorkerWithout(NamedTuple):
    """A live worker of a model that has not loaded a version; `reason` is why it could not, at `tried_at`."""

    node: str
    state: str | None
    reason: str | None
    tried_at: datetime | None


@dataclass(frozen=True, slots=True)
class Moved:
    """A move: the version, and the move that waits for workers; None where the alias points there already."""

    info: VersionInfo
    waiting: AliasMove | None = None


def move_alias(  # noqa: PLR0913  # who moves what, and how long it may take
    *,
    name: str,
    alias: str,
    version: str,
    actor: str = "platform",
    address: str | None = None,
    reason: str = "",
    now: bool = False,
    wait_s: float = WAIT_S,
    rollout: int | None = None,
) -> Moved:
    """Point the model's alias at the version, once each live worker of the model has loaded it.

    It takes effect at once with `now`, or where no worker lacks the version. Else it waits for `wait_s` at
    most, and takes the place of a move of this alias that waits. A Promotion records each move that took
    effect, with the actor, the address and the reason; a rule of the alias is in force no more.
    ModelNotFoundError if there is no such version, VersionStateError if it is not staged, and
    RolloutConflictError while a roll-out of the alias is live that is not `rollout`.
    """
    clean_row(Alias(name=alias), exclude=["model", "version", "rule"])
    with transaction.atomic():
        row = ModelVersion.objects.select_related("model").filter(model__name=name, version=version).first()
        if row is None:
            raise ModelNotFoundError(f"There is no model {name}:{version}.")
        RegisteredModel.objects.select_for_update().get(pk=row.model_id)  # moves of a model take turns
        row.refresh_from_db(fields=["state"])
        check_staged(row)
        check_free(name, alias, rollout=rollout)
        end_waiting_moves(row.model, alias, "A later move was asked for.")
        points_there = Alias.objects.filter(model=row.model, name=alias, version=row).exists()
        without = [] if now or points_there else workers_without(name, row.pk)
        by = {"actor": actor[:127], "address": address, "reason": reason}
        move = AliasMove(model=row.model, alias=alias, version=row, **by)
        if without:
            move.until = Now() + timedelta(seconds=wait_s)
            move.outcome = _whom(without)
            move.save()
        else:
            _take_effect(move)
    selectors.forget()
    return Moved(VersionInfo.of(row), move if without else None)


def finish_moves(models: Collection[str]) -> None:
    """End the waiting moves of these models whose workers have all loaded the version, or one cannot."""
    waiting = AliasMove.objects.filter(state=MoveState.LOADING, model__name__in=models)
    for key in list(waiting.values_list("pk", flat=True)):
        with transaction.atomic():
            move = waiting.select_for_update(skip_locked=True, of=("self",)).filter(pk=key).first()
            if move is not None:
                _look(move)


def workers_without(model: str, version: int) -> list[WorkerWithout]:
    """Return the live workers that serve the model and have not loaded the version."""
    answers = version_asked.send(sender=None, model=model, version=version)
    by_receiver: list[Any] = [workers for _, workers in answers]  # by contract, lists of workers
    return list(chain.from_iterable(by_receiver))


def end_waiting_moves(model: RegisteredModel, alias: str, outcome: str) -> None:
    """Let the move of an alias that waits for workers fail, for the reason `outcome`."""
    _end(AliasMove.objects.filter(model=model, alias=alias), MoveState.FAILED, outcome)


def _look(move: AliasMove) -> None:
    this = AliasMove.objects.filter(pk=move.pk)
    if obstacle := _obstacle(move):
        _end(this, MoveState.FAILED, obstacle)
        return
    without = workers_without(move.model.name, move.version_id)
    failed = [worker for worker in without if _failed_since(worker, move.asked_at)]
    if failed:
        _end(this, MoveState.FAILED, f"{failed[0].node} cannot load it: {failed[0].reason}")
    elif this.filter(until__lt=Now()).exists():  # also where all workers were away, and have loaded it since
        _end(this, MoveState.FAILED, f"It took too long. {_whom(without)}".rstrip())
    elif not without:
        _take_effect(move)
        _end(this, MoveState.MOVED, "")
        selectors.forget()


def _failed_since(worker: WorkerWithout, asked_at: datetime) -> bool:
    return worker.state == LoadState.FAILED and worker.tried_at is not None and worker.tried_at > asked_at


def _obstacle(move: AliasMove) -> str:
    """Return why a move that was allowed when it was asked for is not any more; empty where it is."""
    rollout = live_rollout(move.model.name, move.alias)
    if rollout is not None:
        return f"Roll-out {rollout} decides for the alias now."
    state = move.version.state
    return "" if state == VersionState.STAGED else f"The version is {state} now."


def _take_effect(move: AliasMove) -> None:
    by = AliasChange(move.actor, move.address, move.reason)
    point(move.model, move.alias, move.version, by)
    end_rules(move.model, move.alias, move.version.version, by)


def _end(moves: QuerySet[AliasMove], state: MoveState, outcome: str) -> None:
    moves.filter(state=MoveState.LOADING).update(state=state, ended_at=Now(), outcome=outcome)


def _whom(without: list[WorkerWithout]) -> str:
    return f"It waits for {', '.join(worker.node for worker in without)}." if without else ""
