"""Registers or tries a model that is a folder; all that a version needs is read from the folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from models_registry.core.registry_errors import LoadFailedError
from models_registry.core.version import VersionInfo
from models_registry.loaders.folder.copied import copied
from models_registry.loaders.folder.described import described
from models_registry.loaders.folder.own_class import folder_name
from models_registry.loaders.integrity import digest
from models_registry.loaders.trial import Tried
from models_registry.models import Loader, ModelVersion, RegisteredModel
from models_registry.services.register import check_version, register_version, try_version
from models_registry.services.registering import Terms
from models_registry.services.try_registered import try_info
from models_registry.sources.content_store import put
from models_registry.sources.signatures import check_signature

DIGITS = 12  # of the SHA-256, as a version
TRIED = Terms()


def is_folder(word: str) -> bool:
    """Return whether a word of a command is a folder's path; no model's name has a slash."""
    return "/" in word


def register_folder(
    *,
    folder: Path,
    version: str = "",
    signature: bytes = b"",
    terms: Terms = TRIED,
    actor: str = "platform",
) -> VersionInfo:
    """Store a folder's files in the content store, and register them; RegistrationError, LoadFailedError.

    Its version is the one given, that of `model.toml`, or the start of the SHA-256 of all its files. Unless
    `terms` say no, it is loaded and runs its example first, here, in a process of its own. Nothing is stored
    of what is refused or does not load.
    """
    name = folder_name(_existing(folder))
    with copied(folder) as copy:
        check_signature(copy, signature, settings.INFERENCE.model_signers)
        fields = _fields(copy, terms.load_limit_s)
        named = version or fields.pop("version", "") or digest(copy)[:DIGITS]
        contents: dict[str, Any] = {"name": name, "version": named, "loader": Loader.FOLDER} | fields
        if terms.tries:
            try_version(limit_s=terms.load_limit_s, artifact=str(copy), **contents)
        else:
            check_version(artifact=str(copy), **contents)
        artifact = str(put(copy))
    source = f"file:{folder.resolve().name}"
    return register_version(artifact=artifact, source=source, actor=actor, state=terms.state, **contents)


def try_folder(*, ref: str, value: Any, parameters: Mapping[str, Any], limit_s: float) -> Tried:
    """Run one input on a folder's model as it is now, in a process of its own, without a database."""
    folder = _existing(Path(ref)).resolve()
    fields = _fields(folder, limit_s)
    fields.pop("version", None)
    row = ModelVersion(version="unregistered", loader=Loader.FOLDER, artifact=str(folder), **fields)
    row.model, row.id, row.sha256 = RegisteredModel(id=0, name=folder_name(folder)), 0, digest(folder)
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
