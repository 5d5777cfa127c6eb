"""All reads of the registry; a process caches the reads of a submit for up to a second."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from threading import Lock
from time import monotonic
from typing import Any, TypeAlias, TypeVar

from django.db.models import Exists, F, Prefetch, Q
from django.db.models.functions import Now

from models_registry.core import schema
from models_registry.core.loads.wanted import Wanted
from models_registry.core.options import PlatformOptions
from models_registry.core.refs import DEFAULT_ALIAS, Ref
from models_registry.core.registry_errors import ModelNotFoundError
from models_registry.core.routing.decision import CompiledRule
from models_registry.core.version import VersionInfo
from models_registry.flag_reads import forget_flags, note_flags
from models_registry.models import (
    Alias,
    AliasMove,
    Flag,
    ModelVersion,
    MoveState,
    Promotion,
    RegisteredModel,
)
from models_registry.rule_reads import compiled, routed_versions

__all__ = [
    "VersionInfo", "forget", "info", "known_queues", "model", "models", "renew", "resolve", "resolve_all",
    "retention_classes", "routed", "routed_all", "slow_models", "used_life", "validate_against",
    "validate_input", "validate_outline", "versions", "wanted_versions",
]  # fmt: skip

CACHED_S = 1.0
CACHED_ENTRIES = 10_000
Answer = TypeVar("Answer")
Named: TypeAlias = "VersionInfo | ModelNotFoundError"
Answering: TypeAlias = "VersionInfo | CompiledRule | ModelNotFoundError"
_cache: dict[Hashable, tuple[float, object]] = {}
_absent: dict[Hashable, tuple[float, object]] = {}  # of its own, so that made-up names displace no model
_lock = Lock()
# What a submit reads says beside it whether there is any flag, so that it need not ask for that.
_BESIDE_FLAGS = ModelVersion.objects.select_related("model").annotate(any_flag=Exists(Flag.objects.all()))


def resolve(ref: str) -> VersionInfo:
    """Return the version that `name`, `name:version` or `name@alias` names; ModelNotFoundError.

    For an alias with a rule that is its stable version.
    """
    return _version_or_raise(_stable(_recent(("ref", ref), lambda: _resolve(ref))))


def routed(ref: str) -> VersionInfo | CompiledRule:
    """Return the version that a reference names, or the rule that decides for it; ModelNotFoundError."""
    answer = _recent(("ref", ref), lambda: _resolve(ref))
    return answer if isinstance(answer, CompiledRule) else _version_or_raise(answer)


def resolve_all(refs: Collection[str]) -> dict[str, Named]:
    """Return what each reference names, as `resolve` does, in as many statements as `routed_all`."""
    return {text: _stable(answer) for text, answer in routed_all(refs).items()}


def routed_all(refs: Collection[str]) -> dict[str, Answering]:
    """Return what each reference names, or the rule that decides for it.

    That takes three statements however many references there are, and two more where one has a rule.
    """
    answers, missing = dict[str, Answering](), dict[str, Ref]()
    for text in refs:
        held = _held(("ref", text))
        try:
            if held is None:
                missing[text] = Ref.parse(text)
            else:
                answers[text] = held[1]  # type: ignore[assignment]  # what `resolve` stored there
        except ModelNotFoundError as error:
            answers[text] = error
    return answers | _read_named(missing) if missing else answers


def used_life(ref: str) -> float:
    """Return the part of its time that what a reference names has been in the cache; 1 or more: read it."""
    entry = _entry(("ref", ref))
    return 1.0 if entry is None else (monotonic() - entry[0]) / CACHED_S


def renew(ref: str) -> None:
    """Read what a reference names into the cache, and compile its input's schema, so that neither waits."""
    with suppress(ModelNotFoundError, ValueError):
        named = _read_named({ref: Ref.parse(ref)})[ref]
        for version in _versions(named):
            schema.prepare(version.input_schema_text)


def info(version_id: int) -> VersionInfo:
    """Return the version with this row id; ModelNotFoundError."""
    return _version_or_raise(_recent(("id", version_id), lambda: _info(version_id)))


def validate_input(version: VersionInfo, value: Any) -> None:
    """Raise InvalidInputError, with the JSON pointer of the fault, unless the schema allows `value`."""
    secrecy = version.secrecy
    schema.check(version.input_schema_text, value, quoting=not secrecy.guarded, names=secrecy.names)


def validate_outline(version: VersionInfo, value: Any, files: Mapping[tuple[str | int, ...], bool]) -> None:
    """Raise InvalidInputError where the schema refuses `value` whatever `files` at these places hold.

    A place is true where a string will stand, and `value` has an empty string or null there.
    """
    secrecy = version.secrecy
    schema.check_outline(
        version.input_schema_text, value, files, quoting=not secrecy.guarded, names=secrecy.names
    )


def validate_against(described: Mapping[str, Any], value: Any) -> None:
    """Raise InvalidInputError, as `validate_input` does, unless the schema allows `value`."""
    schema.check(json.dumps(described), value)


def known_queues() -> list[str]:
    """Return the names of all models, which are also the names of their queues, in order."""
    return list(RegisteredModel.objects.order_by("name").values_list("name", flat=True))


def slow_models(names: Collection[str] | None = None) -> list[str]:
    """Return the names of models, of `names` alone if given, with a version whose jobs may be slow, in order.

    A version counts whatever its state: its jobs may still wait.
    """
    slow = Q(versions__options__lane__in=["slow", "auto"]) | Q(versions__options__has_key="slow_above_s")
    rows = RegisteredModel.objects.filter(slow)
    if names is not None:
        rows = rows.filter(name__in=names)
    return list(rows.order_by("name").distinct().values_list("name", flat=True))


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


def wanted_versions(names: Collection[str], *, keep_warm_s: float) -> Wanted:
    """Return what a worker of these models is to hold: `default` first, then by alias; never cached.

    What a rule or a live roll-out may give jobs to is loaded before it gets one.
    """
    aliases = Alias.objects.filter(model__name__in=names).order_by("id")
    named = sorted(aliases.only("name", "version_id"), key=lambda alias: alias.name != DEFAULT_ALIAS)
    stable = tuple(alias.version_id for alias in named)
    routed, gating = routed_versions(names)
    moves = AliasMove.objects.filter(model__name__in=names, state=MoveState.LOADING).order_by("id")
    coming = (*moves.values_list("version_id", flat=True), *gating)
    since = Now() - timedelta(seconds=keep_warm_s)
    left = set(Promotion.objects.filter(model__in=names, at__gt=since).values_list("model", "before"))
    past = ModelVersion.objects.filter(model__name__in=names, version__in={before for _, before in left})
    rows = past.values_list("id", "model__name", "version")
    warm = tuple(key for key, *named in rows if tuple(named) in left and key not in {*stable, *routed})
    return Wanted(stable, coming, warm, tuple(key for key in routed if key not in stable))


def retention_classes() -> set[int]:
    """Return the days that versions name in their option `retention_days`."""
    rows = ModelVersion.objects.filter(options__has_key="retention_days").values_list("options", flat=True)
    days = {PlatformOptions.of(options).retention_days for options in rows}
    return {number for number in days if number is not None}


def forget() -> None:
    """Empty the cache, so that the next read sees the database."""
    with _lock:
        _cache.clear()
        _absent.clear()
    forget_flags()


def _resolve(text: str) -> Answering:
    ref, read_at = Ref.parse(text), monotonic()
    rows = _BESIDE_FLAGS.filter(model__name=ref.name)
    if ref.version:
        row = rows.filter(version=ref.version).first()
        if row is None:
            return _no_such(ref)
        note_flags(read_at, any_flag=row.any_flag)
        return VersionInfo.of(row)
    aliased = rows.filter(aliases__name=ref.alias).annotate(by_rule=F("aliases__rule_id")).first()
    if aliased is None:
        return _no_such(ref)
    note_flags(read_at, any_flag=aliased.any_flag)
    stable, rule = VersionInfo.of(aliased), aliased.by_rule
    return stable if rule is None else compiled({rule: stable}).get(rule, stable)


def _stable(answer: Answering) -> Named:
    return answer.stable if isinstance(answer, CompiledRule) else answer


def _versions(answer: Answering) -> tuple[VersionInfo, ...]:
    if isinstance(answer, CompiledRule):
        return answer.versions
    return (answer,) if isinstance(answer, VersionInfo) else ()


def _no_such(ref: Ref) -> ModelNotFoundError:
    return ModelNotFoundError(f"There is no model {str(ref)!r}.")


def _named_by(refs: Mapping[str, Ref]) -> dict[str, Answering]:
    """Return what many references name; only rows that are named are read whole."""
    (ids, rules), read_at = _ids_by_ref(refs.values()), monotonic()
    rows = _BESIDE_FLAGS.filter(id__in=set(ids.values()))
    versions = {row.id: VersionInfo.of(row) for row in rows}
    for row in rows[:1]:
        note_flags(read_at, any_flag=row.any_flag)
    stables = {rule: versions[ids[ref]] for ref, rule in rules.items() if ids[ref] in versions}
    by_rule = compiled(stables) if stables else {}
    return {
        text: by_rule.get(rules.get(ref, 0)) or versions.get(ids.get(ref, 0)) or _no_such(ref)
        for text, ref in refs.items()
    }


def _ids_by_ref(refs: Collection[Ref]) -> tuple[dict[Ref, int], dict[Ref, int]]:
    """Return the version of each reference, and the rule of each alias that has one, by row ids."""
    names = {ref.name for ref in refs}
    by_version = ModelVersion.objects.filter(
        model__name__in=names, version__in={ref.version for ref in refs if ref.version}
    ).values_list("model__name", "version", "id")
    by_alias = list(
        Alias.objects.filter(
            model__name__in=names, name__in={ref.alias for ref in refs if ref.alias}
        ).values_list("model__name", "name", "version_id", "rule_id")
    )
    ids = {Ref(name, version=version): key for name, version, key in by_version}
    ids |= {Ref(name, alias=alias): key for name, alias, key, _ in by_alias}
    return ids, {Ref(name, alias=alias): rule for name, alias, _, rule in by_alias if rule is not None}


def _read_named(refs: Mapping[str, Ref]) -> dict[str, Answering]:
    read_at, read = monotonic(), _named_by(refs)
    for text, answer in read.items():
        _keep(("ref", text), read_at, answer)
    return read


def _info(version_id: int) -> Named:
    row = ModelVersion.objects.select_related("model").filter(pk=version_id).first()
    return ModelNotFoundError(f"There is no version {version_id}.") if row is None else VersionInfo.of(row)


def _version_or_raise(answer: Named) -> VersionInfo:
    if isinstance(answer, ModelNotFoundError):
        raise ModelNotFoundError(str(answer))
    return answer


def _recent(key: Hashable, read: Callable[[], Answer]) -> Answer:
    entry = _held(key)
    if entry is not None:
        return entry[1]  # type: ignore[return-value]  # the result of `read` for this key
    read_at, answer = monotonic(), read()
    _keep(key, read_at, answer)
    return answer


def _entry(key: Hashable) -> tuple[float, object] | None:
    return _cache.get(key) or _absent.get(key)


def _held(key: Hashable) -> tuple[float, object] | None:
    entry = _entry(key)
    return entry if entry is not None and monotonic() - entry[0] < CACHED_S else None


def _keep(key: Hashable, read_at: float, answer: object) -> None:
    there, elsewhere = (_absent, _cache) if isinstance(answer, ModelNotFoundError) else (_cache, _absent)
    with _lock:
        if len(there) >= CACHED_ENTRIES:
            there.clear()
        there[key] = (read_at, answer)
        elsewhere.pop(key, None)
