"""Which versions are watched for drift, and how a call names one."""

from __future__ import annotations

from models_registry import selectors
from models_registry.core.refs import Ref
from models_registry.core.registry_errors import ModelNotFoundError
from models_registry.core.version import VersionInfo
from models_registry.models import ModelVersion


def watched(model: str) -> list[VersionInfo]:
    """Return the watched versions of a model, newest first; ModelNotFoundError."""
    infos = (VersionInfo.of(row) for row in selectors.versions(model))
    return [info for info in infos if info.platform_options.monitor.on]


def all_watched() -> list[VersionInfo]:
    """Return the watched versions of all models, oldest first."""
    rows = ModelVersion.objects.select_related("model").filter(options__has_key="monitor").order_by("id")
    return [info for info in map(VersionInfo.of, rows) if info.platform_options.monitor.on]


def version_named(model: str, named: str) -> VersionInfo:
    """Return a version of a model by `2`, `model:2` or `model@alias`; ModelNotFoundError."""
    info = any_version_named(model, named)
    if info.model != model:
        raise ModelNotFoundError(f"{named!r} is no version of the model {model}.")
    return info


def any_version_named(model: str, named: str) -> VersionInfo:
    """Return a version by `2`, then of `model`, or by `other:2` or `other@alias`; ModelNotFoundError."""
    ref = Ref.parse(named if {":", "@"} & set(named) else f"{model}:{named}")
    return selectors.resolve(str(ref))
