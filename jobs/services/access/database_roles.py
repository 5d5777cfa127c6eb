"""Create the database's roles and give each its rights, from the table in `jobs.core.access.database_rights`.

`create_roles` needs a superuser, once, also for a database that has run as a superuser until now. What a
migration adds gets its rights at the end of that migration (`apply_rights`), by the owner's own hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from jobs.core.access.database_rights import (
    LENT,
    RUNTIME_LOGINS,
    DatabaseRole,
    owner_of,
    table_rights,
)
from jobs.db.statement import Statement, execute

OWNER, AUDIT, RUNTIME = DatabaseRole.OWNER, DatabaseRole.AUDIT, DatabaseRole.RUNTIME
NAMES = {role.name.lower(): sql.Identifier(role.value) for role in DatabaseRole}


class _Owned(NamedTuple):
    name: str
    kind: str
    owner: str


class LoginInUse(NamedTuple):
    """How many sessions of a program hold a login that has no password any more."""

    login: str
    program: str
    sessions: int


_HERE = Statement("SELECT current_schema()", str)
_DATABASE = Statement("SELECT current_database()", str)
_EXISTS = Statement("SELECT rolname FROM pg_roles WHERE rolname = ANY(%(names)s::text[])", str)
_IN_USE = Statement(
    """
SELECT usename AS login, application_name AS program, count(*)::int AS sessions FROM pg_stat_activity
WHERE usename = ANY(%(names)s::text[]) GROUP BY 1, 2 ORDER BY 1, 2
""",
    LoginInUse,
)
_END = Statement(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY(%(names)s::text[])", bool
)
# Releases differ in the parameters of these functions.
_SIGNATURES = Statement(
    """
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY(%(names)s::text[])
""",
    str,
)
# Whether this session may give an object to both owners.
_MAY_GIVE = Statement(
    """
SELECT pg_has_role(current_user, %(owner)s, 'USAGE') AND pg_has_role(current_user, %(audit)s, 'USAGE')
""",
    bool,
)
# Sequences go with their tables; extensions own their functions.
_OBJECTS = Statement(
    """
SELECT relname AS name, 'TABLE' AS kind, pg_get_userbyid(relowner) AS owner FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
UNION ALL
SELECT proname, 'ROUTINE', pg_get_userbyid(proowner) FROM pg_proc
WHERE pronamespace = current_schema()::regnamespace
  AND (starts_with(proname, 'jobs_') OR starts_with(proname, 'models_registry_'))
ORDER BY name
""",
    _Owned,
)
# A role that exists is put right: nothing that it once was given may remain.
_ROLE = """
ALTER ROLE {role} WITH INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS {login};
"""
_CREATE = "CREATE ROLE {role} NOLOGIN"
_DATABASE_RIGHTS = """
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO {owner}, {runtime};
GRANT {audit} TO {owner};
GRANT pg_read_all_stats TO {runtime}, {owner};
GRANT pg_signal_backend TO {owner};
ALTER SCHEMA {schema} OWNER TO {owner};
"""
# Everybody who connects could fill the disk by these, also in a session that only reads.
_FILLING = (
    "lo_creat", "lo_create", "lo_from_bytea", "lo_put", "lowrite", "lo_truncate", "lo_truncate64",
    "pg_logical_emit_message",
)  # fmt: skip
# A member has the rights of its role and none of its own.
_MEMBER = """
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role};
GRANT {runtime} TO {role};
"""
_NOT_FOR_ALL = "REVOKE EXECUTE ON FUNCTION pg_catalog.{signature} FROM PUBLIC"
_SCHEMA_RIGHTS = """
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {runtime};
GRANT USAGE ON SCHEMA {schema} TO {runtime};
GRANT USAGE, CREATE ON SCHEMA {schema} TO {audit};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {runtime};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE {audit} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
"""
_TABLE_RIGHTS = """
REVOKE ALL ON TABLE {name} FROM PUBLIC, {runtime};
GRANT {rights} ON TABLE {name} TO {runtime};
"""
# No other role can make the audit forget what is younger.
_KEEP = "CREATE OR REPLACE FUNCTION jobs_events_days() RETURNS int LANGUAGE sql AS {body}"
_LENT = "REVOKE ALL ON ROUTINE {name} FROM PUBLIC; GRANT EXECUTE ON ROUTINE {name} TO {runtime};"


def create_roles(
    *, owner_password: str, runtime_passwords: Sequence[str], end_sessions: bool = False
) -> list[LoginInUse]:
    """Create the roles or put them right, and give them the database; needs a superuser.

    `runtime_passwords` are those of RUNTIME_LOGINS; one with an empty password may not log in any more. While
    sessions hold it, it still may, because they will connect again: they are returned. With `end_sessions`
    they are ended instead.
    """
    passwords = dict(zip(RUNTIME_LOGINS, runtime_passwords, strict=True))
    # The release before logged in as inference_runtime itself.
    ending = [RUNTIME.value, *(login for login, password in passwords.items() if not password)]
    in_use = [] if end_sessions else execute(_IN_USE, {"names": ending})
    _put_right(
        {OWNER.value: owner_password, RUNTIME.value: "", AUDIT.value: "", **passwords},
        kept={one.login for one in in_use},
    )
    if end_sessions:  # after the commit, or they would log in again
        execute(_END, {"names": ending})
    return in_use


@transaction.atomic
def _put_right(passwords: dict[str, str], *, kept: set[str]) -> None:
    there = set(execute(_EXISTS, {"names": list(passwords)}))
    for role, password in passwords.items():
        if role not in there:
            _run(_CREATE, role=sql.Identifier(role))
        login = sql.SQL("") if role in kept else _login(role, password)
        _run(_ROLE, role=sql.Identifier(role), login=login)
    for role in RUNTIME_LOGINS:
        _run(_MEMBER, role=sql.Identifier(role), **_names())
    (database,) = execute(_DATABASE)
    _run(_DATABASE_RIGHTS, database=sql.Identifier(database), **_names())
    for signature in execute(_SIGNATURES, {"names": list(_FILLING)}):
        _run(_NOT_FOR_ALL, signature=sql.SQL(signature))
    apply_rights()


@transaction.atomic
def apply_rights() -> None:
    """Give each table and function its owner and its rights; nothing where the roles are not used."""
    if len(execute(_EXISTS, {"names": [role.value for role in DatabaseRole]})) < len(DatabaseRole):
        return
    (may,) = execute(_MAY_GIVE, {"owner": OWNER.value, "audit": AUDIT.value})
    if not may:
        return
    names = _names()
    _run(_SCHEMA_RIGHTS, **names)
    for owned in execute(_OBJECTS):
        _give(owned)
        identifier = sql.Identifier(owned.name)
        if owned.kind == "TABLE":
            _run(_TABLE_RIGHTS, name=identifier, rights=sql.SQL(table_rights(owned.name)), **names)
        elif owned.name in LENT:
            _run(_LENT, name=identifier, **names)
        if owned.name == "jobs_events_days":
            _run(_KEEP, body=sql.Literal(f"SELECT {settings.INFERENCE.events_days}"))


def _give(owned: _Owned) -> None:
    owner = owner_of(owned.name)
    if owned.owner != owner:
        words = {
            "kind": sql.SQL(owned.kind),
            "name": sql.Identifier(owned.name),
            "role": sql.Identifier(owner),
        }
        _run("ALTER {kind} {name} OWNER TO {role}", **words)


def _names() -> dict[str, sql.Composable]:
    (schema,) = execute(_HERE)
    return {**NAMES, "schema": sql.Identifier(schema)}


def _login(role: str, password: str) -> sql.Composable:
    """Return the login as a verifier, so that no log of the server can show the password."""
    if not password:
        return sql.SQL("NOLOGIN PASSWORD NULL")
    connection.ensure_connection()
    verifier = connection.connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    )
    return sql.SQL("LOGIN PASSWORD {verifier}").format(verifier=sql.Literal(verifier.decode()))


def _run(statements: str, **names: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statements).format(**names).as_string(cursor.connection), None)
