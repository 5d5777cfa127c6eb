"""Registers or tries a model that is a folder; all that a version needs is read from the folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from models_registry.core.registry_errors import LoadFailedError
from models_registry.core.version import VersionInfo
from models_registry.loaders.folder.described import described
from models_registry.loaders.folder.own_class import folder_name
from models_registry.loaders.folder.packed import packed
from models_registry.loaders.integrity import digest
from models_registry.loaders.trial import Tried
from models_registry.models import Loader, ModelVersion, RegisteredModel
from models_registry.services.alias_moves import move_alias
from models_registry.services.register import register_version, try_version
from models_registry.services.try_registered import try_info

DIGITS = 12  # of the SHA-256, as a version


def is_folder(word: str) -> bool:
    """Return whether a word of a command is a folder's path; no model's name has a slash."""
    return "/" in word


def register_folder(
    *,
    folder: Path,
    version: str = "",
    aliases: Sequence[str] = (),
    tries: bool = True,
    limit_s: float = 300.0,
    actor: str = "platform",
) -> VersionInfo:
    """Copy a folder's files under MODEL_DIR, and register the copy; RegistrationError, LoadFailedError.

    Its version is the one given, that of `model.toml`, or the start of the SHA-256 of all its files. If
    `tries`, it is loaded and runs its example first, here, in a process of its own.
    """
    model_dir, name = settings.INFERENCE.model_dir, folder_name(_existing(folder))
    artifact, sha256 = packed(folder, model_dir)
    fields = _fields(Path(model_dir, artifact), limit_s)
    named = version or fields.pop("version", "") or sha256[:DIGITS]
    contents: dict[str, Any] = {
        "name": name,
        "version": named,
        "loader": Loader.FOLDER,
        "artifact": artifact,
    } | fields
    contents |= {"sha256": sha256}
    if tries:
        try_version(limit_s=limit_s, **contents)
    info = register_version(actor=actor, **contents)
    for alias in aliases:
        move_alias(name=name, alias=alias, version=info.version, actor=actor)
    return info


def try_folder(*, ref: str, value: Any, parameters: Mapping[str, Any], limit_s: float) -> Tried:
    """Run one input on a folder's model as it is now, in a process of its own, without a database."""
    folder = _existing(Path(ref)).resolve()
    fields = _fields(folder, limit_s)
    fields.pop("version", None)
    row = ModelVersion(version="unregistered", loader=Loader.FOLDER, artifact=str(folder), **fields)
    row.model, row.id, row.sha256 = RegisteredModel(name=folder_name(folder)), 0, digest(folder)
    return try_info(VersionInfo.of(row), value, parameters, limit_s)


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise LoadFailedError(f"There is no folder {folder}; manage.py new_model NAME writes one that works.")
    return folder


def _fields(folder: Path, limit_s: float) -> dict[str, Any]:
    fields = described(folder, limit_s=limit_s)
    for name in ("class", "name"):
        fields.pop(name, None)
    return fields
