"""A database server that counts its statements, and what planning them took."""

from __future__ import annotations

from pathlib import Path

import psycopg

from inference_site.stack.postgres import Postgres

SETTINGS = ("shared_preload_libraries = 'pg_stat_statements'", "pg_stat_statements.track_planning = on")


def watch_statements(run_dir: Path) -> None:
    """Make the cluster of a stack that is yet to start, one that counts its statements."""
    server = Postgres(run_dir)
    server.start()
    try:
        server.wait_ready()
        with psycopg.connect(server.url, autocommit=True) as database:
            for setting in SETTINGS:
                database.execute(f"ALTER SYSTEM SET {setting}".encode())
            database.execute("CREATE EXTENSION pg_stat_statements")
    finally:
        server.ask_to_stop()
        server.finish()
