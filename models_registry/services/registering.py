"""The whole way of registering: fetch, check, try, store, write. What fails before leaves nothing behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings

from models_registry.core.registry_errors import (
    ArtifactMismatchError,
    LoaderRefusedError,
    LoadFailedError,
    RegistrationError,
)
from models_registry.core.version import VersionInfo
from models_registry.core.version_states import VersionState
from models_registry.loaders.artifact import locate
from models_registry.loaders.integrity import verify
from models_registry.models import Loader, ModelVersion
from models_registry.services.register import check_version, register_version, try_version
from models_registry.sources.content_store import put
from models_registry.sources.fetching import fetched
from models_registry.sources.file_tree import OF_PROGRAMS, check_pickles
from models_registry.sources.signatures import check_signature

MIB = 2**20
SCHEMAS = ("input_schema", "output_schema")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be registered: `artifact` as workers find it, or `source`, from which it is fetched once.

    `shown_source` is kept instead of it, where the source is a copy made for this call.
    """

    name: str
    version: str
    loader: str
    artifact: str = ""
    source: str = ""
    shown_source: str = ""
    sha256: str = ""
    signature: bytes = b""
    contents: dict[str, Any] = {}

    @property
    def fields(self) -> dict[str, Any]:
        """Return the columns that do not depend on where the artifact comes from."""
        return {"name": self.name, "version": self.version, "loader": self.loader, **self.contents}


@dataclass(frozen=True, slots=True)
class Terms:
    """How a version is registered: tried first or not, and if so with `listed` entry points only.

    Nothing is routed to a `draft` until it is staged.
    """

    tries: bool = True
    listed: bool = False
    load_limit_s: float = 300.0
    fetch_limit_s: float = 3_600.0
    draft: bool = False

    @property
    def state(self) -> VersionState:
        """Return the state of the new version."""
        return VersionState.DRAFT if self.draft else VersionState.STAGED


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered version, whether it is new, and a sentence about its trial."""

    info: VersionInfo
    is_new: bool
    trial: str


def register(asked: Asked, *, actor: str, terms: Terms = Terms()) -> Registered:
    """Register a version; RegistrationError and its kinds, LoadFailedError where it does not load here."""
    if bool(asked.artifact) == bool(asked.source):
        raise RegistrationError("Name the artifact, or the source that it is fetched from: one of the two.")
    is_new = not ModelVersion.objects.filter(model__name=asked.name, version=asked.version).exists()
    if asked.source:
        info, words = _from_source(asked, actor, terms)
    else:
        if asked.loader != Loader.ENTRY_POINT:
            _check_signature_here(asked)
        given = {**asked.fields, "artifact": asked.artifact, "sha256": asked.sha256}
        words, derived = _trial(terms, given)
        info = register_version(**given, actor=actor, derived=derived, state=terms.state)
    return Registered(info, is_new, words)


def _from_source(asked: Asked, actor: str, terms: Terms) -> tuple[VersionInfo, str]:
    if asked.loader == Loader.ENTRY_POINT:
        raise RegistrationError("An entry point is code that is installed: it has no source.")
    most = settings.INFERENCE.artifact_cache_mb * MIB
    with fetched(asked.source, most_bytes=most, limit_s=terms.fetch_limit_s) as (path, source):
        check_pickles(path, asked.loader)
        if asked.sha256:
            _verify(path, asked.sha256)
        check_signature(path, asked.signature, settings.INFERENCE.model_signers)
        words, derived = _trial(terms, {**asked.fields, "artifact": str(path)})
        fields = {**asked.fields, "artifact": str(put(path)), "source": asked.shown_source or _shown(source)}
    return register_version(**fields, actor=actor, derived=derived, state=terms.state), words


def _check_signature_here(asked: Asked) -> None:
    if settings.INFERENCE.model_signers:
        path = locate(asked.artifact, settings.INFERENCE.model_dir)
        check_signature(path, asked.signature, settings.INFERENCE.model_signers)


def _verify(path: Path, expected: str) -> None:
    try:
        verify(path, expected)
    except ArtifactMismatchError as error:
        raise RegistrationError(str(error)) from None


def _shown(source: str) -> str:
    """Return the source as it is kept: of a path of this machine the last part, because clients see it."""
    return source if ":" in source else f"file:{Path(source).name}"


def _trial(terms: Terms, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a sentence about the trial, and the schemas that are not given, as far as they are derived."""
    missing = [name for name in SCHEMAS if not given.get(name)]
    if not terms.tries:
        check_version(**given)
        return "It was not loaded: --no-load.", {name: {} for name in missing}
    try:
        tried = try_version(limit_s=terms.load_limit_s, listed=terms.listed, **given)
    except LoaderRefusedError as error:
        if terms.listed or given["loader"] not in OF_PROGRAMS:
            raise LoadFailedError(str(error)) from None
        return f"It was not loaded here: {error}", {name: {} for name in missing}
    words = f"It was loaded here in {tried.load_s:.1f} s, and ran its example."
    return words, {name: getattr(tried, name) for name in missing}
