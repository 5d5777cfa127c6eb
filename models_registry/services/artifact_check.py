"""Compare the versions' artifacts with the objects in the store of artifacts, both ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from models_registry.models import ModelVersion
from models_registry.sources import content_store
from models_registry.sources.content_store import StoredArtifact


class MissingArtifact(NamedTuple):
    """An object that a version needs, and that is not in the store."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class ArtifactCheck:
    """How many objects there are; those that no version needs, by age; those that are missing."""

    objects: int
    orphans: list[str]
    young: int
    missing: list[MissingArtifact]


def check_artifacts(*, until: datetime) -> ArtifactCheck:
    """Compare; an object without a version is an orphan only if it was stored before `until`.

    A registration stores its files before its row. StoreFailedError if the storage fails.
    """
    needed = dict(_needed())
    there = {*content_store.object_names()}
    unneeded = sorted(there - needed.keys())
    orphans = [name for name in unneeded if content_store.stored_at(name) < until]
    missing = [MissingArtifact(name, needed[name]) for name in sorted(needed.keys() - there)]
    return ArtifactCheck(len(there), orphans, len(unneeded) - len(orphans), missing)


def delete_artifacts(names: Iterable[str]) -> int:
    """Delete those of the objects that still no version needs; return how many went.

    None while the list of a version's files is missing: its files have no version only for that reason.
    """
    needed = dict(_needed())
    if any(not content_store.holds(stored) for stored in _stored_folders()):
        return 0
    unneeded = [name for name in names if name not in needed]
    for name in unneeded:
        content_store.delete(name)
    return len(unneeded)


def _stored_folders() -> Iterator[StoredArtifact]:
    for artifact in ModelVersion.objects.values_list("artifact", flat=True):
        if (stored := StoredArtifact.of(artifact)) and not stored.file:
            yield stored


def _needed() -> Iterator[tuple[str, str]]:
    """Yield each object that a version needs, with the version."""
    for version in ModelVersion.objects.select_related("model").order_by("id"):
        if stored := StoredArtifact.of(version.artifact):
            for name in content_store.members(stored):
                yield name, str(version)
