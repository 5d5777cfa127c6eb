"""The names of the channels in the database, which only a holder of SECRET_KEY can know.

Any role that may connect to a database may LISTEN and NOTIFY there on any channel whose name it knows, and
no right forbids it. So a name ends in a digest: a stranger neither hears the ids of other clients' jobs nor
wakes a listener with a forged one. `pg_stat_activity` shows a session's statements to its own role alone.
"""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from jobs.core.payloads import keyed_digest

DIGEST_CHARS = 32


def channel_name(channel: str) -> str:
    """Return a channel's name for LISTEN, NOTIFY and `pg_notify`; it needs no quotes."""
    return name_of(settings.INFERENCE.secret_key, channel)


@lru_cache(maxsize=64)
def name_of(secret_key: str, channel: str) -> str:
    """Return a channel's name in the stack that has this SECRET_KEY."""
    key = keyed_digest.derived(secret_key.encode(), "channels")
    digest = keyed_digest.keyed(key, channel.encode()).hex()
    return f"{channel}_{digest[:DIGEST_CHARS]}"
