"""What `manage.py reconcile` has compared, as lines and as JSON; names and ids only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from jobs.db import database_clock
from jobs.services.retention.reconcile import PayloadCheck, check_payloads, delete_orphans
from models_registry.services.artifact_check import ArtifactCheck, check_artifacts, delete_artifacts


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Both comparisons, and how many orphans of each were deleted."""

    payloads: PayloadCheck
    artifacts: ArtifactCheck
    older_than_h: int
    deleted_payloads: int = 0
    deleted_artifacts: int = 0

    @property
    def agrees(self) -> bool:
        """Return whether nothing is left without its counterpart."""
        left = len(self.payloads.orphans) - self.deleted_payloads
        left += len(self.artifacts.orphans) - self.deleted_artifacts
        return not left and not self.payloads.missing and not self.artifacts.missing

    def json(self, *, most: int) -> str:
        """Return it as one JSON object that names up to `most` of each kind."""
        payloads, artifacts = self.payloads, self.artifacts
        whole = {
            "agrees": self.agrees,
            "older_than_hours": self.older_than_h,
            "payloads": {
                "objects": payloads.objects,
                "orphans": len(payloads.orphans),
                "young": payloads.young,
                "awaiting_deletion": payloads.awaiting_deletion,
                "missing": len(payloads.missing),
                "deleted": self.deleted_payloads,
                "orphan_names": payloads.orphans[:most],
                "missing_rows": [missing._asdict() for missing in payloads.missing[:most]],
            },
            "artifacts": {
                "objects": artifacts.objects,
                "orphans": len(artifacts.orphans),
                "young": artifacts.young,
                "missing": len(artifacts.missing),
                "deleted": self.deleted_artifacts,
                "orphan_names": artifacts.orphans[:most],
                "missing_rows": [missing._asdict() for missing in artifacts.missing[:most]],
            },
        }
        return json.dumps(whole, default=str)


def reconcile(*, older_than_h: int, delete: bool, artifacts_too: bool) -> Reconciled:
    """Compare, and delete orphans where that is asked for; PlatformError where the storage fails."""
    payloads = check_payloads(older_than_h=older_than_h)
    artifacts = check_artifacts(until=database_clock.read_now() - timedelta(hours=older_than_h))
    return Reconciled(
        payloads,
        artifacts,
        older_than_h,
        deleted_payloads=delete_orphans(payloads.orphans) if delete else 0,
        deleted_artifacts=delete_artifacts(artifacts.orphans) if artifacts_too else 0,
    )


def lines_of(report: Reconciled, *, most: int) -> Iterator[str]:
    """Yield the report as lines, with up to `most` names of each kind."""
    payloads, artifacts, hours = report.payloads, report.artifacts, report.older_than_h
    yield (
        f"payloads: {payloads.objects:,} objects; {len(payloads.orphans):,} without a row and older than"
        f" {hours} h, {payloads.young:,} younger, {payloads.awaiting_deletion:,} about to be deleted;"
        f" {len(payloads.missing):,} rows without their object"
    )
    yield from (f"  no row: {name}" for name in payloads.orphans[:most])
    for missing in payloads.missing[:most]:
        of = "upload" if missing.kind == "upload" else f"{missing.kind} of job"
        yield f"  no object: {missing.name}, the {of} {missing.row}"
    yield (
        f"artifacts: {artifacts.objects:,} objects; {len(artifacts.orphans):,} without a version and older"
        f" than {hours} h, {artifacts.young:,} younger; {len(artifacts.missing):,} missing"
    )
    yield from (f"  no version: {name}" for name in artifacts.orphans[:most])
    yield from (f"  no object: {missing.name}, of {missing.version}" for missing in artifacts.missing[:most])
    if report.deleted_payloads or report.deleted_artifacts:
        yield f"deleted: {report.deleted_payloads:,} payloads, {report.deleted_artifacts:,} artifacts"
