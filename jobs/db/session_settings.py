"""What a session of the database must be like for this code: pinned on every connection, in this one place.

A role or a database may have settings of its own. Those that change what a statement means, or how long it
may take, are set again after each connect by one `SET`, never by the start-up parameter `options`, which
poolers refuse. Behind a pooler in transaction mode no session has settings: there the role must have them
(`unlike` says which it lacks), and the limits are set at the start of each transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, LiteralString

SET: LiteralString = """
SELECT set_config(name, value, %(local)s)
FROM unnest(%(names)s::text[], %(values)s::text[]) AS setting(name, value)
"""
# A condition, always true, of a statement whose commit is not waited for: a crash may forget what it did.
COMMITS_LATER: LiteralString = "(SELECT set_config('synchronous_commit', 'off', true)) = 'off'"
LOCK_TIMEOUT_MS = 5_000
# A stopped process answers nothing but keeps its locks, and a vanished host keeps them for hours.
_LOST_HOST: Mapping[str, str] = {
    "tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",
}  # fmt: skip
_MEANING: Mapping[str, str] = {
    "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "UTC", "bytea_output": "hex",
    "standard_conforming_strings": "on", "default_transaction_isolation": "read committed",
    "client_encoding": "UTF8", "extra_float_digits": "1", "array_nulls": "on",
}  # fmt: skip
# The tables are empty one minute and have a million rows the next, so their statistics are always old. A plan
# from a quiet hour read whole tables for every batch of a busy one: 10 ms became 300. Every statement here
# finds its rows by their keys, so by an index, and a plan that knows no values is as good as one that does:
# it is made once. A look that ran 0.04 ms was planned for 0.78 ms, every time.
_BY_INDEX: Mapping[str, str] = {
    "enable_seqscan": "off", "enable_bitmapscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan", "jit": "off",
}  # fmt: skip


class Use(StrEnum):
    """What a connection is for; its limits follow from it."""

    BULK = "bulk"  # a worker's claims and settles
    LOOP = "loop"  # a background loop's own session
    WHOLE = "whole"  # reads of whole tables, once a day
    WEB = "web"  # Django's
    READ = "read"  # the event loop's reads
    PAGE = "page"  # what a page of metrics shows


_LIMITS: Mapping[Use, Mapping[str, str]] = {
    Use.BULK: {
        **_BY_INDEX, "lock_timeout": f"{LOCK_TIMEOUT_MS}", "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "5s", "transaction_timeout": "30s",
    },
    Use.LOOP: {
        # A loop must renew its lease in time, and what is locked now can be done in its next round.
        **_BY_INDEX, "lock_timeout": "1s", "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "5s", "transaction_timeout": "60s",
    },
    Use.WHOLE: {
        "lock_timeout": "1s", "statement_timeout": "1h", "idle_in_transaction_session_timeout": "5s",
        "transaction_timeout": "1h",
    },
    Use.WEB: {
        # A refused client sends its request again; a client that waits would hold a thread.
        "lock_timeout": "1s", "statement_timeout": "60s", "idle_in_transaction_session_timeout": "10s",
        "transaction_timeout": "60s",
    },
    Use.READ: {**_BY_INDEX, "statement_timeout": "10s", "idle_in_transaction_session_timeout": "5s"},
    Use.PAGE: {
        **_BY_INDEX, "lock_timeout": "500ms", "statement_timeout": "800ms",
        "idle_in_transaction_session_timeout": "5s",
    },
}  # fmt: skip
# The settings that end what takes too long, and the version of Postgres that first has each.
TIMES = {
    "lock_timeout": 0, "statement_timeout": 0, "idle_in_transaction_session_timeout": 0,
    "transaction_timeout": 170_000,
}  # fmt: skip


def pinned(use: Use, *, schema: str, server_version: int) -> dict[str, str]:
    """Return a connection's settings that the server knows, by name; no `schema`: the role's own."""
    path = {"search_path": f'"{schema}"'} if schema else {}
    settings = {**_MEANING, **path, **_LOST_HOST, **_LIMITS[use]}
    return {name: value for name, value in settings.items() if server_version >= TIMES.get(name, 0)}


def meaning() -> dict[str, str]:
    """Return the settings that decide what a statement means, by name."""
    return dict(_MEANING)


def setting(settings: Mapping[str, str], *, local: bool = False) -> tuple[LiteralString, dict[str, Any]]:
    """Return the statement that makes settings, and its parameters; `local` ends with the transaction."""
    return SET, {"names": list(settings), "values": list(settings.values()), "local": local}
