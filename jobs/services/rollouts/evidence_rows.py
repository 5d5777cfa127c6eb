"""The rows that the judge reads and keeps: tallies become a tick, the tick becomes evidence.

All of it happens in the transaction of the look: a process that dies in between counts nothing twice, and
loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from jobs import metrics
from jobs.db.statement import Statement, execute
from models_registry.core.rollouts.evidence.gathered import GatheredEvidence, absorb
from models_registry.core.rollouts.evidence.tick import ArmTick, Tick, without_known
from models_registry.core.routing.decision import Arm

MOST_TALLIES = 5_000


class TallyRow(NamedTuple):
    """A tally that was taken, and those of its keys that count no more because they failed before."""

    arm: str
    keys: list[int]
    failed: list[int]
    refused: list[int]
    broken: bool
    deaths: int
    latency_s: float | None
    known: list[int]


_TAKE = Statement(
    """
WITH taken AS (
  DELETE FROM jobs_tally WHERE id = ANY(ARRAY(
    SELECT id FROM jobs_tally WHERE rollout = %(rollout)s ORDER BY id LIMIT %(most)s
  )) RETURNING arm, keys, failed, refused, broken, deaths, latency_s
)
SELECT arm, keys, failed, refused, broken, deaths, latency_s, ARRAY(
  SELECT DISTINCT known.key FROM unnest(taken.keys) AS seen(key)
  JOIN jobs_failedkey known ON known.key = seen.key
  WHERE known.rollout = %(rollout)s AND known.kind = ANY(ARRAY['failed', 'refused'])
) AS known
FROM taken
""",
    TallyRow,
)
_KNOW = Statement("""
INSERT INTO jobs_failedkey (rollout, key, kind)
SELECT %(rollout)s, key, kind FROM unnest(%(keys)b::bigint[], %(kinds)s::text[]) AS failed(key, kind)
ON CONFLICT DO NOTHING
""")
_READ = Statement("SELECT document::text FROM jobs_evidence WHERE rollout = %(rollout)s", str)
_KEEP = Statement("""
INSERT INTO jobs_evidence (rollout, document, at) VALUES (%(rollout)s, %(document)s::text::jsonb, now())
ON CONFLICT (rollout) DO UPDATE SET document = excluded.document, at = excluded.at
""")


class KeptEvidence(msgspec.Struct, frozen=True):
    """What is known of a roll-out, and what the last look made of it.

    `passes` means that nothing but time keeps it from the next step. Dead jobs that were
    buried up to `excused_until` have excused their death.
    """

    evidence: GatheredEvidence = GatheredEvidence()
    numbers: dict[str, float] = {}
    passes: bool = False
    excused_until: datetime | None = None


def kept_evidence(rollout: int) -> KeptEvidence:
    """Return what is known of a roll-out; nothing before its first look."""
    documents = execute(_READ, {"rollout": rollout})
    return msgspec.json.decode(documents[0], type=KeptEvidence) if documents else KeptEvidence()


def keep(rollout: int, kept: KeptEvidence) -> None:
    """Store what is known of a roll-out."""
    execute(_KEEP, {"rollout": rollout, "document": msgspec.json.encode(kept).decode()})


def take_tallies(rollout: int) -> list[TallyRow]:
    """Delete and return up to MOST_TALLIES of a roll-out's tallies, oldest first. Requires a transaction."""
    return execute(_TAKE, {"rollout": rollout, "most": MOST_TALLIES})


def absorbed(
    evidence: GatheredEvidence, rows: Sequence[TallyRow], *, rollout: int, excused: int = 0, **rule: Any
) -> GatheredEvidence:
    """Return the evidence with what the rows say, and remember the keys that failed for the first time.

    `excused` are earlier deaths for which an input is to blame. `rule` holds `share_ppm`, `step` and
    `baseline` as they are now. Requires the transaction that took the rows.
    """
    known = frozenset(key for row in rows for key in row.known)
    tick, newly_known = without_known(tick_of(rows, **rule), known)
    if newly_known:
        _remember(rollout, rows, newly_known)
    candidate = msgspec.structs.replace(tick.candidate, excused_deaths=excused)
    return absorb(evidence, msgspec.structs.replace(tick, candidate=candidate))


def tick_of(rows: Iterable[TallyRow], *, share_ppm: int, step: int, baseline: bool) -> Tick:
    """Return what rows say as one tick; without a baseline arm its rows are the stable version's."""
    by_arm: dict[str, list[TallyRow]] = {arm.value: [] for arm in Arm}
    for row in rows:
        by_arm[row.arm].append(row)
    stable, base = by_arm[Arm.STABLE], by_arm[Arm.BASELINE]
    return Tick(
        candidate=_arm(by_arm[Arm.CANDIDATE]),
        stable=_arm(stable if baseline else [*stable, *base]),
        baseline=_arm(base) if baseline else None,
        share_ppm=share_ppm,
        step=step,
    )


def count_rows(model: str, rows: Iterable[TallyRow]) -> None:
    """Count what was read, after the transaction that took it."""
    for row in rows:
        results = {"failed": len(row.failed), "refused": len(row.refused)}
        results["answered"] = 0 if row.broken else len(row.keys) - sum(results.values())
        for result, number in results.items():
            if number > 0:
                metrics.ROLLOUT_ATTEMPTS.labels(model, row.arm, result).inc(number)
        if row.latency_s is not None:
            metrics.ROLLOUT_BATCH_TIME.labels(model, row.arm).observe(row.latency_s)


def _arm(rows: Sequence[TallyRow]) -> ArmTick:
    whole = [row for row in rows if not row.broken]
    return ArmTick(
        seen=frozenset(key for row in whole for key in row.keys),
        failed=frozenset(key for row in whole for key in row.failed),
        refused=frozenset(key for row in whole for key in row.refused),
        batches=sum(row.broken or bool(row.keys) for row in rows),
        failed_batches=sum(row.broken for row in rows),
        latencies_s=tuple(row.latency_s for row in rows if row.latency_s is not None),
        deaths=sum(row.deaths for row in rows),
    )


def _remember(rollout: int, rows: Iterable[TallyRow], keys: frozenset[int]) -> None:
    kinds: dict[int, str] = {}
    for row in rows:
        kinds |= dict.fromkeys(keys.intersection(row.refused), "refused")
        kinds |= dict.fromkeys(keys.intersection(row.failed), "failed")
    execute(_KNOW, {"rollout": rollout, "keys": list(kinds), "kinds": list(kinds.values())})
