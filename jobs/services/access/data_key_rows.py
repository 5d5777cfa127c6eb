"""The rows of wrapped data keys."""

from __future__ import annotations

from contextlib import closing

from jobs.core.errors import PayloadUnavailableError, UnavailableError
from jobs.core.payloads.job_keys import DataKeyName
from jobs.db.session import open_session
from jobs.db.statement import Statement, fetch_all, run
from jobs.payloads.wrapping.wrapping_key import WrappedDataKey

_FIND = Statement(
    "SELECT wrapped, wrapped_by FROM jobs_datakey WHERE client_id = %(client)s AND month = %(month)s",
    WrappedDataKey,
)
_ADD: Statement[None] = Statement("""
INSERT INTO jobs_datakey (client_id, month, wrapped, wrapped_by)
VALUES (%(client)s, %(month)s, %(wrapped)s, %(wrapped_by)s) ON CONFLICT DO NOTHING
""")


class StoredDataKeys:
    """The data keys in this site's database."""

    def find(self, name: DataKeyName) -> WrappedDataKey | None:
        """Return the stored key, or None; PayloadUnavailableError."""
        try:
            rows = fetch_all(_FIND, _columns(name))
        except UnavailableError as error:
            raise PayloadUnavailableError("The database that keeps the keys does not respond.") from error
        return WrappedDataKey(bytes(rows[0].wrapped), rows[0].wrapped_by) if rows else None

    def add(self, name: DataKeyName, row: WrappedDataKey) -> WrappedDataKey:
        """Store a key, in a session of its own: jobs of later calls use it, whatever becomes of this one."""
        with closing(open_session()) as session:
            run(session, _ADD, {**_columns(name), **row._asdict()})
        return self.find(name) or row


def _columns(name: DataKeyName) -> dict[str, int]:
    return {"client": name.client, "month": name.month}
