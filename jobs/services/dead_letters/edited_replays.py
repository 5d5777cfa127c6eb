"""Goes on with replays that edit inputs, in a process that has the keys of payloads, which no relay has."""

from __future__ import annotations

from contextlib import closing, suppress

import sqlalchemy as sa

from jobs.db import leases
from jobs.db.leases import HeldLeases
from jobs.db.session import open_session
from jobs.services.access.known_keys import check_keys
from jobs.services.dead_letters.canary import any_open, take_steps


def continue_edits() -> None:
    """Take the next step of each open replay that edits; nothing where another process does so.

    DatabaseUnusableError where this process has other keys; LeaseLostError where it was too slow: the next
    call goes on with the jobs that are still dead.
    """
    with closing(open_session()) as session:
        if not any_open(session):
            return
        check_keys()
        holder = HeldLeases(session, leases.EDITED_REPLAYS)
        try:
            if holder.take(leases.EDITED_REPLAYS):
                take_steps(holder.keep, edits=True)
        finally:
            with suppress(sa.exc.DBAPIError):  # a session that has ended holds nothing
                holder.resign()
