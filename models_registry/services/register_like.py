"""Register a version that is another one with other limits or options: what `manage.py tune` proposes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models_registry import selectors
from models_registry.core.registry_errors import RegistrationError
from models_registry.models import ModelVersion
from models_registry.services.register import CONTENTS, check_version, register_version, try_version
from models_registry.services.registering import Registered, Terms

TRIED = Terms()
_BESIDE = ("source", "origin")  # columns of a version that a repeat may leave out


def register_like(
    *, ref: str, version: str, changes: Mapping[str, Any], actor: str, terms: Terms = TRIED
) -> Registered:
    """Register the artifact and all columns of the version that `ref` names as `version`, with `changes`.

    ModelNotFoundError; RegistrationError where `changes` make no other version, or one that is not valid;
    LoadFailedError where it does not load here. The signature was checked with the first registration, and
    the hash says that the artifact is still that one.
    """
    row = ModelVersion.objects.select_related("model").get(id=selectors.resolve(ref).id)
    if row.version == version:
        raise RegistrationError(f"{row} is the version itself: give the new one another name.")
    contents = {name: getattr(row, name) for name in CONTENTS} | dict(changes)
    fields = {"name": row.model.name, "version": version} | contents
    is_new = not row.model.versions.filter(version=version).exists()
    words = "It was not loaded: --no-load."
    if terms.tries:
        tried = try_version(limit_s=terms.load_limit_s, listed=terms.listed, **fields)
        words = f"It was loaded here in {tried.load_s:.1f} s, and ran its example."
    else:
        check_version(**fields)
    beside = {name: getattr(row, name) for name in _BESIDE}
    info = register_version(**fields, **beside, actor=actor, state=terms.state)
    return Registered(info, is_new, words)
