"""Verify the audit: events against their seals, each seal against the one before, all against an export."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from django.conf import settings

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.access.seals import GENESIS, HASH_BYTES, first_difference, seal_hash, seal_mac
from jobs.db.statement import Statement, run
from jobs.services.access.audit_export import SEALS, SEALS_AT_ONCE, SealRow, exported_seals
from jobs.services.access.audit_seals import EVENTS

ALL = 2**62


class _Cover(NamedTuple):
    """Until when the audit says that events were forgotten, as whom, and how many events no seal covers."""

    forgotten_to: datetime | None
    forgotten_by: str
    unsealed: int


# Anyone who may append an event may append one of this kind: only whole days count.
_COVER = Statement(
    """
WITH said AS (
  SELECT actor, at - make_interval(days => CASE WHEN detail ->> 'older_than_days' ~ '^[1-9][0-9]{0,5}$'
    THEN (detail ->> 'older_than_days')::int END) AS forgotten_to
  FROM jobs_event WHERE kind = %(forget)s
)
SELECT (SELECT max(forgotten_to) FROM said) AS forgotten_to,
  COALESCE((SELECT actor FROM said ORDER BY forgotten_to DESC NULLS LAST LIMIT 1), '') AS forgotten_by,
  (SELECT count(*) FROM jobs_event
    WHERE id > COALESCE((SELECT last_id FROM jobs_auditseal ORDER BY id DESC LIMIT 1), 0)) AS unsealed
""",
    _Cover,
)


@dataclass
class AuditReport:
    """What was verified, and the first fault; empty where there is none."""

    seals: int = 0
    events: int = 0
    forgotten: int = 0
    forgotten_to: datetime | None = None
    forgotten_by: str = ""
    unsealed: int = 0
    fault: str = ""


def verify_audit(
    session: sa.Connection, *, first: int = 1, last: int = ALL, export: Path | None = None
) -> AuditReport:
    """Verify the seals `first` to `last` and their events, and that every seal of `export` is still there.

    OSError where the export cannot be read.
    """
    report = AuditReport()
    (cover,) = run(session, _COVER, {"forget": AuditKind.FORGET.value})
    report.unsealed, report.forgotten_by = cover.unsealed, cover.forgotten_by
    report.forgotten_to = cover.forgotten_to
    expected = _expected(export) if export is not None else {}
    before = _before(session, first)
    for seal in takewhile(lambda seal: seal.id <= last, _seals(session, first - 1)):
        report.fault = (
            _of_chain(before, seal)
            or _of_export(expected.pop(seal.id, None), seal)
            or _of_rows(session, before, seal, report)
        )
        if report.fault:
            return report
        report.seals, before = report.seals + 1, seal
    lacking = sorted(number for number in expected if first <= number <= last)
    if lacking:
        report.fault = f"seal {lacking[0]}: it was exported, and the database lacks it: events were removed"
    return report


def _expected(export: Path) -> dict[int, dict[str, Any]]:
    return {int(seal["id"]): seal for seal in exported_seals(export)}


def _before(session: sa.Connection, first: int) -> SealRow | None:
    """Return the seal before `first`, on whose hash the chain goes on; None at its beginning."""
    before = None
    for seal in takewhile(lambda seal: seal.id < first, _seals(session, max(first - 2, 0))):
        before = seal
    return before


def _seals(session: sa.Connection, after: int) -> Iterator[SealRow]:
    while seals := run(session, SEALS, {"after": after, "most": SEALS_AT_ONCE}):
        yield from seals
        after = seals[-1].id


def _of_chain(before: SealRow | None, seal: SealRow) -> str:
    previous = before.hash if before else GENESIS
    if seal.previous != previous:
        return f"seal {seal.id}: it does not follow the seal before: a seal was removed or made anew"
    made = seal_hash(
        previous,
        first_id=seal.first_id,
        last_id=seal.last_id,
        row_hashes=seal.row_hashes,
        newest_at=seal.newest_at,
    )
    if seal.hash != made or len(seal.row_hashes) != seal.row_count * HASH_BYTES:
        return f"seal {seal.id}: it was changed itself"
    # What an old key signed stays signed by it: to verify the whole chain takes all of them.
    if not any(seal.mac == seal_mac(key, seal.hash) for key in settings.INFERENCE.site_keys):
        return f"seal {seal.id}: it was not made with this SECRET_KEY"
    return ""


def _of_export(exported: dict[str, Any] | None, seal: SealRow) -> str:
    if exported is None or exported.get("hash") == seal.hash.hex():
        return ""
    return f"seal {seal.id}: the export has another one: the chain was made anew"


def _of_rows(
    session: sa.Connection,
    before: SealRow | None,
    seal: SealRow,
    report: AuditReport,
) -> str:
    bounds = {"after": before.last_id if before else -ALL, "until": seal.last_id, "most": seal.row_count + 1}
    events = run(session, EVENTS, bounds)
    by_rule = report.forgotten_to is not None and seal.newest_at <= report.forgotten_to
    if by_rule and not (events or report.events):
        report.forgotten += seal.row_count
        return ""
    report.events += len(events)
    ids, hashes = [event.id for event in events], [event.hash for event in events]
    difference = first_difference(ids, hashes, seal.row_hashes)
    return f"seal {seal.id}: {difference}" if difference else ""
