"""All reads of the registry; a process caches the reads of a submit for up to a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from threading import Lock
from time import monotonic
from typing import Any, TypeVar

from django.db.models import Prefetch

from models_registry.core import schema
from models_registry.core.options import PlatformOptions
from models_registry.core.refs import Ref
from models_registry.core.registry_errors import ModelNotFoundError
from models_registry.core.version import VersionInfo
from models_registry.models import Alias, ModelVersion, RegisteredModel

__all__ = [
    "VersionInfo", "forget", "info", "known_queues", "model", "models", "resolve", "retention_classes",
    "validate_against", "validate_input", "versions",
]  # fmt: skip

CACHED_S = 1.0
CACHED_ENTRIES = 10_000
Answer = TypeVar("Answer")
_cache: dict[Hashable, tuple[float, object]] = {}
_lock = Lock()


def resolve(ref: str) -> VersionInfo:
    """Return the version that `name`, `name:version` or `name@alias` names; ModelNotFoundError."""
    return _version_or_raise(_recent(("ref", ref), lambda: _resolve(ref)))


def info(version_id: int) -> VersionInfo:
    """Return the version with this row id; ModelNotFoundError."""
    return _version_or_raise(_recent(("id", version_id), lambda: _info(version_id)))


def validate_input(version: VersionInfo, value: Any) -> None:
    """Raise InvalidInputError, with the JSON pointer of the fault, unless the schema allows `value`."""
    secrecy = version.secrecy
    schema.check(version.input_schema_text, value, quoting=not secrecy.guarded, names=secrecy.names)


def validate_against(described: Mapping[str, Any], value: Any) -> None:
    """Raise InvalidInputError, as `validate_input` does, unless the schema allows `value`."""
    schema.check(json.dumps(described), value)


def known_queues() -> list[str]:
    """Return the names of all models, which are also the names of their queues, in order."""
    return list(RegisteredModel.objects.order_by("name").values_list("name", flat=True))


def models() -> Sequence[RegisteredModel]:
    """Return all models by name, with aliases and their versions prefetched."""
    aliases = Prefetch("aliases", Alias.objects.select_related("version").order_by("name"))
    return list(RegisteredModel.objects.order_by("name").prefetch_related(aliases))


def model(name: str) -> RegisteredModel:
    """Return one model; ModelNotFoundError."""
    try:
        return RegisteredModel.objects.prefetch_related("aliases__version").get(name=Ref.parse(name).name)
    except RegisteredModel.DoesNotExist:
        raise ModelNotFoundError(f"There is no model {name!r}.") from None


def versions(name: str) -> Sequence[ModelVersion]:
    """Return a model's versions, newest first, with aliases prefetched; ModelNotFoundError."""
    rows = ModelVersion.objects.select_related("model").prefetch_related("aliases")
    return list(rows.filter(model=model(name)).order_by("-id"))


def retention_classes() -> set[int]:
    """Return the days that versions name in their option `retention_days`."""
    rows = ModelVersion.objects.filter(options__has_key="retention_days").values_list("options", flat=True)
    days = {PlatformOptions.of(options).retention_days for options in rows}
    return {number for number in days if number is not None}


def forget() -> None:
    """Empty the cache, so that the next read sees the database."""
    with _lock:
        _cache.clear()


def _resolve(text: str) -> VersionInfo | ModelNotFoundError:
    ref, rows = Ref.parse(text), ModelVersion.objects.select_related("model")
    rows = rows.filter(model__name=ref.name)
    rows = rows.filter(version=ref.version) if ref.version else rows.filter(aliases__name=ref.alias)
    row = rows.first()
    return ModelNotFoundError(f"There is no model {str(ref)!r}.") if row is None else VersionInfo.of(row)


def _info(version_id: int) -> VersionInfo | ModelNotFoundError:
    row = ModelVersion.objects.select_related("model").filter(pk=version_id).first()
    return ModelNotFoundError(f"There is no version {version_id}.") if row is None else VersionInfo.of(row)


def _version_or_raise(answer: VersionInfo | ModelNotFoundError) -> VersionInfo:
    if isinstance(answer, ModelNotFoundError):
        raise ModelNotFoundError(str(answer))
    return answer


def _recent(key: Hashable, read: Callable[[], Answer]) -> Answer:
    entry = _cache.get(key)
    if entry is not None and monotonic() - entry[0] < CACHED_S:
        return entry[1]  # type: ignore[return-value]  # the result of `read` for this key
    read_at, answer = monotonic(), read()
    with _lock:
        if len(_cache) >= CACHED_ENTRIES:
            _cache.clear()
        _cache[key] = (read_at, answer)
    return answer
