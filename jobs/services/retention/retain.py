"""Drop payloads whose time is over, a day at once, and make the partitions of the days ahead."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from enum import StrEnum

import sqlalchemy as sa

from jobs import metrics
from jobs.core.access.audit_kinds import AuditKind
from jobs.core.retention.partition_sql import TABLES
from jobs.core.retention.policy import Window
from jobs.db import database_clock, leases
from jobs.db.leases import HeldLeases
from jobs.db.session import open_session
from jobs.services.access.audit import note_in
from jobs.services.retention import kept_payloads, partition_statements
from jobs.services.retention.partition_statements import BusyError, Leaf, StillNeededError
from jobs.services.retention.partitions import classes_in_use, make_ahead, missing

SAVED_JOBS = 10_000  # of a day that is dropped, at most so many live jobs are saved; with more, the day stays
FORGOTTEN_AT_ONCE = 1_000
TRIES, PAUSE_S = 5, 1.0
LEASE_S = 120.0  # more than the longest statement
log = logging.getLogger(__name__)


class PartitionFate(StrEnum):
    """What is done with a partition."""

    MAKE = "make"
    KEEP = "keep"
    DROP = "drop"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class PartitionVerdict:
    """What is done with one table's partition, and why."""

    leaf: Leaf
    fate: PartitionFate
    why: str


class AnotherRunError(Exception):
    """Another run of retention is at work."""


def keep_retention(*, actor: str, dry_run: bool = False, now_ms: int | None = None) -> list[PartitionVerdict]:
    """Make partitions ahead, drop those that are over, and return a verdict on each; AnotherRunError.

    Payloads of a day's live jobs are moved to the class's default partition. A day that others use, or that
    has more than SAVED_JOBS live jobs, stays until the next run. `dry_run` changes nothing.
    """
    with closing(open_session()) as session:
        holder = HeldLeases(session, leases.RETENTION, lease_s=LEASE_S)
        try:
            if not holder.take(leases.RETENTION):
                raise AnotherRunError
            # The host's clock may be wrong: one that was 40 days ahead deleted results seconds old.
            now_ms = int(database_clock.measure(session) * 1_000) if now_ms is None else now_ms
            verdicts = _foreseen(session, now_ms)
            return verdicts if dry_run else _carried_out(session, verdicts, actor=actor, now_ms=now_ms)
        finally:
            with suppress(sa.exc.DBAPIError):  # a session that has ended holds nothing
                holder.resign()


def _foreseen(session: sa.Connection, now_ms: int) -> list[PartitionVerdict]:
    leaves = sorted(partition_statements.leaves(session), key=lambda leaf: (leaf.window, leaf.table))
    lacking = missing(session, classes_in_use(), now_ms=now_ms)
    ahead = [
        PartitionVerdict(Leaf(table, window, 0, 0), PartitionFate.MAKE, "ahead of its jobs")
        for table, window in lacking
    ]
    return [_verdict(session, leaf, now_ms) for leaf in leaves] + ahead


def _verdict(session: sa.Connection, leaf: Leaf, now_ms: int) -> PartitionVerdict:
    if not leaf.window.is_over(now_ms):
        return PartitionVerdict(leaf, PartitionFate.KEEP, f"until {leaf.window.gone_at:%Y-%m-%d}")
    live = len(kept_payloads.live(session, leaf.window, most=SAVED_JOBS + 1))
    if live > SAVED_JOBS:
        return PartitionVerdict(
            leaf, PartitionFate.LEAVE, f"more than {SAVED_JOBS:,} of its jobs are still live"
        )
    saved = f"; the payloads of {live:,} live jobs are saved" if live else ""
    return PartitionVerdict(leaf, PartitionFate.DROP, f"over since {leaf.window.gone_at:%Y-%m-%d}{saved}")


def _carried_out(
    session: sa.Connection, verdicts: list[PartitionVerdict], *, actor: str, now_ms: int
) -> list[PartitionVerdict]:
    late = make_ahead(session, classes_in_use(), now_ms=now_ms)
    over = defaultdict[Window, list[Leaf]](list)
    for verdict in verdicts:
        if verdict.fate is PartitionFate.DROP:
            over[verdict.leaf.window].append(verdict.leaf)
    postponed = dict.fromkeys(late, "others use it")
    for window, leaves in over.items():
        leases.keep(session)
        if why := _drop(session, window, leaves, actor):
            postponed[window] = why
            continue
        while kept_payloads.forget_keys(session, window, most=FORGOTTEN_AT_ONCE) == FORGOTTEN_AT_ONCE:
            pass
    _forget_outlived(session)
    amended = [_amended(verdict, postponed) for verdict in verdicts]
    _measure(session, amended, now_ms)
    return amended


def _drop(session: sa.Connection, window: Window, leaves: list[Leaf], actor: str) -> str:
    """Drop a window in all tables at once; return why it stays, empty where it is gone."""
    for tried in range(TRIES):
        time.sleep(PAUSE_S if tried else 0)
        try:
            _drop_now(session, window, leaves, actor)
        except BusyError as error:
            log.info("%s stays for now: %s", window.suffix, error)
        except StillNeededError:
            return f"more than {SAVED_JOBS:,} of its jobs are still live"
        else:
            metrics.RETENTION_DROPPED.labels(str(window.keep_days)).inc()
            return ""
    return "others use it"


def _drop_now(session: sa.Connection, window: Window, leaves: list[Leaf], actor: str) -> None:
    tables = [leaf.table for leaf in leaves]
    with partition_statements.without(session, window, tables):
        live = kept_payloads.live(session, window, most=SAVED_JOBS + 1)
        if len(live) > SAVED_JOBS:
            raise StillNeededError
        for table in tables:
            partition_statements.put_back(session, window, table, live)
        note_in(
            session,
            AuditKind.DELETE,
            actor=actor,
            keep_days=window.keep_days,
            first_day=f"{window.date}",
            days=window.days,
            tables={leaf.table: {"bytes": leaf.bytes, "rows_estimated": leaf.rows} for leaf in leaves},
            put_aside=len(live),
        )


def _amended(verdict: PartitionVerdict, postponed: dict[Window, str]) -> PartitionVerdict:
    if verdict.fate in {PartitionFate.DROP, PartitionFate.MAKE} and verdict.leaf.window in postponed:
        return replace(verdict, fate=PartitionFate.LEAVE, why=postponed[verdict.leaf.window])
    return verdict


def _forget_outlived(session: sa.Connection) -> None:
    for table in TABLES:
        for keep_days in partition_statements.classes(session, table):
            while (
                kept_payloads.forget(session, table, keep_days, most=FORGOTTEN_AT_ONCE) == FORGOTTEN_AT_ONCE
            ):
                pass


def _measure(session: sa.Connection, verdicts: Iterable[PartitionVerdict], now_ms: int) -> None:
    for table in TABLES:
        counts = [
            kept_payloads.astray(session, table, days, now_ms)
            for days in partition_statements.classes(session, table)
        ]
        misplaced = kept_payloads.unclassed(session, table) + sum(count for count, _ in counts)
        metrics.RETENTION_MISPLACED.labels(table).set(misplaced)
        metrics.RETENTION_OUTLIVED.labels(table).set(sum(count for _, count in counts))
    postponed = [verdict for verdict in verdicts if verdict.fate is PartitionFate.LEAVE]
    for verdict in postponed:
        log.warning("%s%s stays: %s", verdict.leaf.table, verdict.leaf.window.suffix, verdict.why)
    metrics.RETENTION_LEFT.set(len(postponed))
    metrics.RETENTION_LAST.set_to_current_time()
