"""One SQLAlchemy engine a process, for the processes that move jobs in bulk: relay and workers."""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from django.conf import settings

LOCK_TIMEOUT_MS = 5_000


@cache
def engine() -> sa.Engine:
    """Return the process's engine: pre-pinged psycopg 3 connections with a lock timeout."""
    url = sa.make_url(settings.INFERENCE.database_url).set(drivername="postgresql+psycopg")
    options = f"-c lock_timeout={LOCK_TIMEOUT_MS} -c application_name=jobs"
    arguments = {**settings.DATABASE_OPTIONS, "options": options}
    return sa.create_engine(url, pool_size=8, pool_pre_ping=False, connect_args=arguments)
