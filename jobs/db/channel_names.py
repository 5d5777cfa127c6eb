"""The names of the channels in the database, which only who may read a table of ours can know.

Any role that may connect to a database may LISTEN and NOTIFY there on any channel whose name it knows, and
no right forbids it. So the database's function `jobs_channel` puts a secret behind a name: a stranger neither
hears the ids of other clients' jobs nor wakes a listener with a forged one. No process needs a key for it.
`pg_stat_activity` shows a session's statements to its own role alone.
"""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
import sqlalchemy as sa
from psycopg.rows import scalar_row

NAME: LiteralString = "SELECT jobs_channel(%(channel)s)"


def listen(session: sa.Connection, channel: str) -> None:
    """Let a session hear a channel."""
    name = session.exec_driver_sql(NAME, {"channel": channel}).scalar_one()
    session.exec_driver_sql(f"LISTEN {name}")


async def listen_async(connection: psycopg.AsyncConnection[Any], channel: str) -> None:
    """Let a connection hear a channel."""
    cursor = await connection.cursor(row_factory=scalar_row).execute(NAME, {"channel": channel})
    name = await cursor.fetchone()
    await connection.execute(f"LISTEN {name}")
