"""What each role of the database may do, as data. Pure.

    inference_owner    owns the tables and migrates them; no process that serves or works is given it
    inference_audit    owns what is only appended; nobody logs in as it, and the owner is a member of it
    inference_runtime  what web, relay and workers are: reads and writes rows, owns nothing. They log in as
                       one of its two members, so that a new password ends no process that has the old one

The runtime role appends to the audit in the columns named here. It cannot choose an id or a time, change or
delete a row, switch a trigger off, or make a table, so it cannot make the audit say another thing later.
"""

from __future__ import annotations

from enum import StrEnum


class DatabaseRole(StrEnum):
    """A role of the database; the value is its name there."""

    OWNER = "inference_owner"
    AUDIT = "inference_audit"
    RUNTIME = "inference_runtime"


# Members of inference_runtime that log in. Each may change its own password and not the other's.
RUNTIME_LOGINS = ("inference_runtime_a", "inference_runtime_b")


# Tables to which rows are only added, and the columns that the one who adds them fills in.
APPEND_ONLY = {
    "jobs_event": ("job_id", "kind", "actor", "epoch", "detail", "address", "token"),
    "jobs_auditseal": (
        "first_id",
        "last_id",
        "row_count",
        "row_hashes",
        "previous",
        "hash",
        "mac",
        "newest_at",
    ),
    "models_registry_promotion": ("model", "alias", "before", "after", "actor", "address", "reason", "at"),
    "models_registry_rule": (
        "model", "alias", "number", "document", "sha256", "steps", "rollout", "actor", "reason", "approvals",
        "address", "at",
    ),
    "models_registry_flagchange": (
        "name", "number", "document", "sha256", "actor", "reason", "address", "at",
    ),
}  # fmt: skip
READ_ONLY = frozenset({"django_migrations", "jobs_channelsecret"})
# Functions that do one thing, most of them with the rights of their owner.
LENT = (
    "jobs_make_class",
    "jobs_make_window",
    "jobs_detach_window",
    "jobs_drop_window",
    "jobs_forget_events",
    "jobs_channel",
    "jobs_event_readable",
)
OF_THE_AUDIT = (
    "jobs_note_registry",
    "jobs_event_append_only",
    "jobs_event_in_order",
    "jobs_event_readable",
    "jobs_promotion_now",
    "jobs_auditseal_follows",
    "jobs_events_days",
    "jobs_forget_events",
    "models_registry_append_only",
    "models_registry_flag_now",
)
_ALL = "SELECT, INSERT, UPDATE, DELETE"


def owner_of(name: str) -> DatabaseRole:
    """Return the role that owns a table or function."""
    return DatabaseRole.AUDIT if name in {*APPEND_ONLY, *OF_THE_AUDIT} else DatabaseRole.OWNER


def table_rights(table: str) -> str:
    """Return what the runtime role may do with a table, as GRANT spells it."""
    if table in APPEND_ONLY:
        columns = ", ".join(f'"{column}"' for column in APPEND_ONLY[table])
        return f"SELECT, INSERT ({columns})"
    return "SELECT" if table in READ_ONLY else _ALL
