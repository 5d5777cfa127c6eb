"""A session that listens on one channel of Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from jobs.core.channels import SETTLED
from jobs.db.channel_names import NAME
from tests.support.wait import wait_until

PASS_S = 0.2  # notifications of one transaction arrive together, or nearly


@contextmanager
def listening(database: str, channel: str = SETTLED) -> Iterator[list[str]]:
    """Collect the payloads sent on a channel during the block; they are in the list after it.

    There must be one at least.
    """
    payloads: list[str] = []
    with psycopg.connect(database, autocommit=True) as listener:
        ((name,),) = listener.execute(NAME, {"channel": channel}).fetchall()
        listener.execute(f"LISTEN {name}".encode())
        yield payloads
        wait_until(lambda: _receive(listener, payloads), what=f"a notification on {channel}")


def _receive(listener: psycopg.Connection, payloads: list[str]) -> list[str]:
    payloads += [notice.payload for notice in listener.notifies(timeout=PASS_S)]
    return payloads
