"""One SQLAlchemy engine a process, for the processes that move jobs in bulk: relay and workers."""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from django.conf import settings

LOCK_TIMEOUT_MS = 5_000
# The tables are empty one minute and have a million rows the next, so their statistics are always old, and a
# plan that was kept from a quiet hour read whole tables for each batch of a busy one: 10 ms became 300. Every
# statement here finds its rows by their keys, so by an index.
_BY_INDEX = {
    "enable_seqscan": "off", "enable_bitmapscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
    "plan_cache_mode": "force_custom_plan", "jit": "off",
}  # fmt: skip


@cache
def engine() -> sa.Engine:
    """Return the process's engine: pre-pinged psycopg 3 connections with a lock timeout."""
    url = sa.make_url(settings.INFERENCE.database_url).set(drivername="postgresql+psycopg")
    settings_by_name = {"lock_timeout": LOCK_TIMEOUT_MS, "application_name": "jobs", **_BY_INDEX}
    options = " ".join(f"-c {name}={value}" for name, value in settings_by_name.items())
    arguments = {**settings.DATABASE_OPTIONS, "options": options}
    return sa.create_engine(url, pool_size=8, pool_pre_ping=False, connect_args=arguments)
