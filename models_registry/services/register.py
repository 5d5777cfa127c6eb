"""The writes of the registry: versions, which never change, and aliases, which move between versions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from models_registry import selectors
from models_registry.core.agreement.pointers import check_agreement
from models_registry.core.monitor.check_monitor import check_monitor
from models_registry.core.patterns import validator
from models_registry.core.pii import check_marks
from models_registry.core.refs import RESERVED_ENDING, SLOW_ENDING
from models_registry.core.registry_errors import (
    ArtifactMismatchError,
    InvalidInputError,
    LoadFailedError,
    RegistrationError,
    VersionConflictError,
)
from models_registry.core.subject import check_subject_marks
from models_registry.core.version import VersionInfo
from models_registry.loaders import artifact, integrity
from models_registry.loaders.load import Permissions
from models_registry.loaders.loader_options import check_options
from models_registry.loaders.trial import Tried, trial
from models_registry.models import Alias, Loader, ModelVersion, RegisteredModel
from models_registry.services.changes import announce
from models_registry.services.pattern_trial import try_patterns
from models_registry.services.schema_trial import check_growth
from models_registry.sources.content_store import STORED, StoredArtifact, holds

CONTENTS = (
    "loader", "artifact", "sha256", "input_schema", "output_schema", "example", "options", "max_batch",
    "max_padded_size", "padded", "p95_goal_s", "max_attempts",
)  # fmt: skip
MOST_ORIGIN_BYTES = 16_384
NOTHING: Mapping[str, Any] = MappingProxyType({})


def try_version(
    *,
    name: str,
    version: str,
    loader: str,
    artifact: str,
    limit_s: float,
    listed: bool = False,
    **fields: Any,
) -> Tried:
    """Load what is to be registered in a process of its own; return its seconds, and derived schemas.

    `listed` refuses entry points that MODEL_ENTRY_POINTS does not name. LoaderRefusedError where this
    process cannot try the version, RegistrationError for what may not be registered, LoadFailedError where
    it does not load, or not within `limit_s` seconds.
    """
    info = check_version(name=name, version=version, loader=loader, artifact=artifact, **fields)
    return trial(info, permissions(), limit_s=limit_s, unlisted=not listed)


def check_version(*, name: str, version: str, loader: str, artifact: str, **fields: Any) -> VersionInfo:
    """Check what is to be registered, but for its load, and return it with the id 0; RegistrationError."""
    row = ModelVersion(version=version, loader=loader, artifact=artifact, **fields)
    row.model, row.id, row.sha256 = RegisteredModel(id=0, name=name), 0, _checked(name, row)
    return VersionInfo.of(row)


def permissions() -> Permissions:
    """Return what the settings of this process allow a loader to load."""
    config = settings.INFERENCE
    entry_points, folders = tuple(config.model_entry_points), tuple(config.model_folders)
    return Permissions(config.allow_torch_programs, entry_points, config.model_dir, folders)


def register_version(
    *,
    name: str,
    version: str,
    loader: str,
    artifact: str,
    actor: str = "platform",
    derived: Mapping[str, Any] = NOTHING,
    **fields: Any,
) -> VersionInfo:
    """Register a version and return it; RegistrationError if it is registered with other contents.

    `derived` are columns that the registration leaves to the artifact: a repeat keeps what is stored of them,
    because another release, or a repeat without a trial, may derive something else.

    `fields` are other columns of ModelVersion: sha256, the schemas, example, options and limits of a batch;
    `state` is that of a new version, and a repeat changes none.
    The hash of a file or directory is computed here, and compared if `sha256` is given. Registering the same
    contents again changes nothing.
    """
    row = ModelVersion(version=version, loader=loader, artifact=artifact, **{**fields, **derived})
    row.sha256 = _checked(name, row)
    stored = _store(name, row, actor, compared=[column for column in CONTENTS if column not in derived])
    selectors.forget()
    return VersionInfo.of(stored)


def _checked(name: str, row: ModelVersion) -> str:
    """Check what is to be registered, and return the hash of its artifact; RegistrationError."""
    clean_row(RegisteredModel(name=name))
    if name.endswith(RESERVED_ENDING):
        raise RegistrationError(f"No model's name ends in {RESERVED_ENDING}: dead letters have that queue.")
    if name.endswith(SLOW_ENDING):
        raise RegistrationError(f"No model's name ends in {SLOW_ENDING}: slow lanes have that queue.")
    clean_row(row, exclude=["model"])
    _check_limits(row)
    _check_options(row)
    _check_schemas(row)
    _check_origin(row)
    return _pinned_hash(row)


def _store(name: str, row: ModelVersion, actor: str, compared: Sequence[str]) -> ModelVersion:
    with transaction.atomic():
        row.model, _ = RegisteredModel.objects.get_or_create(name=name)
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            return _same(row, compared)
        kept = {"model": name, "version": row.version, "loader": row.loader, "sha256": row.sha256}
        announce("register", actor=actor, **kept)
    return row


def _same(row: ModelVersion, compared: Sequence[str]) -> ModelVersion:
    stored = ModelVersion.objects.select_related("model").filter(model=row.model, version=row.version).first()
    if stored is None:
        raise RegistrationError(f"{row} breaks a limit of the table.")
    differences = [field for field in compared if getattr(stored, field) != getattr(row, field)]
    if differences:
        raise VersionConflictError(
            f"{row} is registered already, with another {', '.join(differences)}: versions do not change."
        )
    return stored


def _check_limits(row: ModelVersion) -> None:
    for name in ("max_batch", "max_attempts", "p95_goal_s"):
        value = getattr(row, name)
        if not 0 < value < math.inf:
            raise RegistrationError(f"{name} is {value}; it must be above 0.")


def _check_options(row: ModelVersion) -> None:
    if not isinstance(row.options, dict):
        raise RegistrationError("options is not a JSON object.")
    options = check_options(row.loader, row.artifact, row.options)
    if options.encrypt and not settings.INFERENCE.seals:
        raise RegistrationError("The option encrypt needs a key: set PAYLOAD_KEYS.")
    check_agreement(options.agreement, row.output_schema)
    check_monitor(options.monitor, row.input_schema, row.output_schema, encrypt=options.encrypt)


def _check_origin(row: ModelVersion) -> None:
    if row.origin is None:
        return
    if not isinstance(row.origin, dict):
        raise RegistrationError("origin is not a JSON object.")
    size = len(json.dumps(row.origin, ensure_ascii=False).encode("utf-8", "replace"))
    if size > MOST_ORIGIN_BYTES:
        raise RegistrationError(f"origin has {size:,} bytes; {MOST_ORIGIN_BYTES:,} are allowed.")


def _check_schemas(row: ModelVersion) -> None:
    for field in ("input_schema", "output_schema"):
        _check_schema(field, getattr(row, field))
    if row.example is None:
        return
    try:
        selectors.validate_against(row.input_schema, row.example)
    except InvalidInputError as error:
        raise RegistrationError(f"The example breaks the input schema. {error}") from None


def _check_schema(field: str, schema: object) -> None:
    if not isinstance(schema, dict):
        raise RegistrationError(f"{field} is not a JSON object.")
    try_patterns(field, schema)
    try:
        validator(schema)
    except ValueError as error:
        raise RegistrationError(f"{field} is no JSON Schema: {error}") from None
    check_marks(schema)
    check_subject_marks(schema)
    check_growth(field, json.dumps(schema))


def _pinned_hash(row: ModelVersion) -> str:
    if row.loader == Loader.ENTRY_POINT:
        if row.sha256:
            raise RegistrationError("An entry point has no hash, because its code is an installed package.")
        return ""
    if row.artifact.startswith(STORED):
        return _stored_hash(row.artifact)
    if row.sha256 and row.sha256 == artifact.digest_of_missing_package(row.artifact):
        return row.sha256  # a worker compares it with the files at each load
    try:
        path = artifact.locate(row.artifact, settings.INFERENCE.model_dir)
        if row.sha256:
            integrity.verify(path, row.sha256)
        return integrity.digest(path)
    except (ArtifactMismatchError, LoadFailedError) as error:
        raise RegistrationError(str(error)) from error


def _stored_hash(artifact: str) -> str:
    stored = StoredArtifact.of(artifact)
    if stored is None or not holds(stored):
        raise RegistrationError(f"The store has no artifact {artifact!r}.")
    return stored.sha256


def clean_row(row: RegisteredModel | ModelVersion | Alias, exclude: list[str] | None = None) -> None:
    """Raise RegistrationError unless each field of the row is well formed."""
    try:
        row.clean_fields(exclude=exclude)
    except ValidationError as error:
        faults = (f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        raise RegistrationError("; ".join(faults)) from None
