"""The registry's rows: models, versions, aliases and their moves, rules, roll-outs and flags."""

from models_registry.models.flag_rows import Flag, FlagChange
from models_registry.models.registered import (
    NAME,
    Alias,
    AliasMove,
    Loader,
    LoadState,
    ModelVersion,
    MoveState,
    Promotion,
    RegisteredModel,
    VersionLoad,
)
from models_registry.models.rollouts import Rollout, RolloutApproval, Rule

__all__ = [
    "NAME",
    "Alias",
    "AliasMove",
    "Flag",
    "FlagChange",
    "LoadState",
    "Loader",
    "ModelVersion",
    "MoveState",
    "Promotion",
    "RegisteredModel",
    "Rollout",
    "RolloutApproval",
    "Rule",
    "VersionLoad",
]
