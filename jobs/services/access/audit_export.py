"""Copy sealed events and their seals out of the database: to a file, or to a syslog server.

A copy elsewhere shows what the database cannot: that its newest events were removed with their seals.
Each line is JSON. An event is exported without what its failure may quote of a job's input.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from logging.handlers import SysLogHandler
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import sqlalchemy as sa

from jobs.core.access.audit_kinds import without_payload
from jobs.db import leases
from jobs.db.statement import Statement, run

TAIL_BYTES = 1_000_000
SEALS_AT_ONCE = 20
SYSLOG = "syslog"


class SealRow(NamedTuple):
    """A seal."""

    id: int
    first_id: int
    last_id: int
    row_count: int
    row_hashes: bytes
    previous: bytes
    hash: bytes
    mac: bytes
    newest_at: datetime


class _ExportedEvent(NamedTuple):
    id: int
    job_id: UUID | None
    kind: str
    actor: str
    epoch: int | None
    detail: dict[str, Any]
    at: datetime
    address: str | None
    token: int | None


SEALS = Statement(
    """
SELECT id, first_id, last_id, row_count, row_hashes, previous, hash, mac, newest_at FROM jobs_auditseal
WHERE id > %(after)s ORDER BY id LIMIT %(most)s
""",
    SealRow,
)
_EVENTS = Statement(
    """
SELECT id, job_id, kind, actor, epoch, detail, at, host(address) AS address, token FROM jobs_event
WHERE id BETWEEN %(first)s AND %(last)s ORDER BY id
""",
    _ExportedEvent,
)
_NEWEST = Statement("SELECT COALESCE(max(id), 0) FROM jobs_auditseal", int)
Send = Callable[[Iterable[bytes]], None]


class Exporter:
    """Exports each seal with its events, once; again where it cannot know that they arrived."""

    def __init__(self, target: str) -> None:
        """Export to a path, `syslog://host:port` or `syslog:///dev/log`; nowhere if `target` is empty."""
        self._target, self._after = target, -1
        self._send: Send = _syslog(target) if target.startswith(f"{SYSLOG}:") else self._append

    def export(self, session: sa.Connection) -> None:
        """Export the seals that were made since; OSError where the target cannot take them."""
        if not self._target:
            return
        if self._after < 0:
            self._after = self._begin(session)
        while seals := run(session, SEALS, {"after": self._after, "most": SEALS_AT_ONCE}):
            for seal in seals:
                leases.keep(session)
                self._send(_lines(session, seal))
                self._after = seal.id

    def _begin(self, session: sa.Connection) -> int:
        """Return the last seal that was exported; the newest for a server, which cannot be asked."""
        if self._target.startswith(f"{SYSLOG}:"):
            (newest,) = run(session, _NEWEST)
            return newest
        return last_exported(Path(self._target))

    def _append(self, lines: Iterable[bytes]) -> None:
        descriptor = os.open(self._target, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a+b") as file:
            if size := file.seek(0, os.SEEK_END):
                file.seek(size - 1)
                if file.read(1) != b"\n":  # a killed process left a line unfinished
                    file.write(b"\n")
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(descriptor)


def exported_seals(path: Path, *, tail_bytes: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the seals of an export; of its last `tail_bytes` where they are given. OSError."""
    with path.open("rb") as file:
        if tail_bytes is not None:
            file.seek(max(0, file.seek(0, os.SEEK_END) - tail_bytes))
        for line in file:
            try:
                entry = msgspec.json.decode(line)
            except msgspec.DecodeError:  # the first and last line may be a part of one
                continue
            if isinstance(entry, dict) and isinstance(entry.get("seal"), dict):
                yield entry["seal"]


def last_exported(path: Path) -> int:
    """Return the id of the last seal in an export; 0 where there is none."""
    try:
        near = [seal["id"] for seal in exported_seals(path, tail_bytes=TAIL_BYTES)]
        return int(max(near or [seal["id"] for seal in exported_seals(path)], default=0))
    except FileNotFoundError:
        return 0


def _lines(session: sa.Connection, seal: SealRow) -> Iterator[bytes]:
    for event in run(session, _EVENTS, {"first": seal.first_id, "last": seal.last_id}):
        shown = event._replace(detail=dict(without_payload(event.kind, event.detail)))
        yield msgspec.json.encode({"event": shown._asdict()})
    named = seal._asdict() | {name: getattr(seal, name).hex() for name in ("previous", "hash", "mac")}
    del named["row_hashes"]
    yield msgspec.json.encode({"seal": named})


def _syslog(target: str) -> Send:
    parts = urlsplit(target)
    address: str | tuple[str, int] = (parts.hostname, parts.port or 514) if parts.hostname else parts.path
    kind = socket.SOCK_STREAM if parts.query == "tcp" else socket.SOCK_DGRAM

    def send(lines: Iterable[bytes]) -> None:
        handler = SysLogHandler(address, SysLogHandler.LOG_AUTHPRIV, socktype=kind)
        handler.handleError = _raise  # type: ignore[method-assign,assignment]  # else an error is printed
        try:
            for line in lines:
                record = logging.LogRecord("audit", logging.INFO, "", 0, line.decode(), None, None)
                handler.emit(record)
        finally:
            handler.close()

    return send


def _raise(_record: logging.LogRecord) -> None:
    raise  # noqa: PLE0704  # the error that the handler caught
