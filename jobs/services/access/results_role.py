"""A database role for one app that uses `AsyncResult`: it reads the results of one client and nothing else.

The role is for trusted apps. Who is in a database can hold its locks and connections, and so delay everybody;
no right forbids that. Other apps read results over HTTP: `inference_client.celery_backend`.

The role's search path leads to views with the names of the tables, so that the result backend works
unchanged. Views run with their owner's rights, and hold only what the backend reads.
"""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from jobs.core.access.audit_kinds import AuditKind
from jobs.db.statement import Statement, execute
from jobs.services.access.audit import note
from jobs.services.access.owner import client_id

VIEWS = {
    "jobs_job": "id, state, queue, attempts, error_kind, error_code, finished_at, client_id, version_id",
    "jobs_jobresult": "job_id, body, encoding, source",
    "jobs_deadletter": "job_id, message",
    "jobs_jobkey": "job_id, wrapped, answer",
}
CONNECTIONS = 20
OWN = {"user", "password", "passfile", "sslcert", "sslkey", "sslpassword"}  # they may stand in a URL's query
_SCHEMA = Statement("SELECT current_schema()", str)
_DATABASE = Statement("SELECT current_database()", str)
# Templates for `psycopg.sql`: names and passwords cannot be parameters of such statements.
_ROLE = """
CREATE ROLE {role} LOGIN PASSWORD {password} CONNECTION LIMIT {most};
ALTER ROLE {role} SET search_path = {role};
ALTER ROLE {role} SET default_transaction_read_only = on;
ALTER ROLE {role} SET statement_timeout = '10s';
ALTER ROLE {role} SET idle_in_transaction_session_timeout = '5s';
ALTER ROLE {role} SET temp_file_limit = '1GB';
CREATE SCHEMA {role};
GRANT USAGE ON SCHEMA {role} TO {role};
GRANT CONNECT ON DATABASE {database} TO {role};
"""
_VIEW = """
CREATE VIEW {role}.{table} WITH (security_barrier) AS SELECT {columns} FROM {home}.{table} AS shown
WHERE EXISTS (SELECT FROM {home}.jobs_job AS own WHERE own.id = shown.{key} AND own.client_id = {client});
GRANT SELECT ON {role}.{table} TO {role};
"""
# The client's wrapped data keys, and of all versions their model and whether they encrypt.
_KEY_VIEWS = """
CREATE VIEW {role}.jobs_datakey WITH (security_barrier) AS
SELECT client_id, month, wrapped, wrapped_by FROM {home}.jobs_datakey WHERE client_id = {client};
CREATE VIEW {role}.models_registry_modelversion WITH (security_barrier) AS
SELECT id, model_id, jsonb_build_object('encrypt', options->'encrypt') AS options
FROM {home}.models_registry_modelversion;
GRANT SELECT ON {role}.jobs_datakey, {role}.models_registry_modelversion TO {role};
"""
_DROP = "DROP SCHEMA IF EXISTS {role} CASCADE; DROP OWNED BY {role}; DROP ROLE {role};"
_EXISTS = Statement("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s)", bool)


@transaction.atomic
def create_results_role(*, client: str, actor: str) -> str:
    """Create or replace the client's role and return its database URL, which is not stored.

    ResourceNotFoundError where there is no such client. The database's user needs the right to create roles.
    """
    number, password = client_id(client), token_urlsafe(24)
    names = _names(number)
    _drop(number)
    _run(_ROLE, names | {"password": sql.Literal(password), "most": sql.Literal(CONNECTIONS)})
    for table, columns in VIEWS.items():
        _run(_VIEW, names | _view(table, columns, number))
    _run(_KEY_VIEWS, names | {"client": sql.Literal(number)})
    note(AuditKind.ROLE_CREATE, actor=actor, client=client, role=role_of(number))
    return _url(role_of(number), password)


@transaction.atomic
def drop_results_role(*, client: str, actor: str) -> None:
    """Drop the client's role; the errors of `create_results_role`."""
    number = client_id(client)
    _drop(number)
    note(AuditKind.ROLE_DROP, actor=actor, client=client, role=role_of(number))


def role_of(number: int) -> str:
    """Return the name of a client's role: a number, because a client's name may be too long for a role's."""
    return f"results_{number}"


def _drop(number: int) -> None:
    (exists,) = execute(_EXISTS, {"role": role_of(number)})
    if exists:
        _run(_DROP, _names(number))


def _names(number: int) -> dict[str, sql.Composable]:
    (schema,), (database,) = execute(_SCHEMA), execute(_DATABASE)
    return {
        "role": sql.Identifier(role_of(number)),
        "home": sql.Identifier(schema),
        "database": sql.Identifier(database),
    }


def _view(table: str, columns: str, number: int) -> dict[str, sql.Composable]:
    named = sql.SQL(", ").join(sql.Identifier("shown", name) for name in columns.split(", "))
    key = sql.Identifier(columns.partition(",")[0])
    return {"table": sql.Identifier(table), "columns": named, "key": key, "client": sql.Literal(number)}


def _run(statements: str, names: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        text = sql.SQL(statements).format(**names).as_string(cursor.connection)
        cursor.execute(text, None)


def _url(role: str, password: str) -> str:
    parts = urlsplit(settings.INFERENCE.database_url)
    host = parts.netloc.rpartition("@")[2]
    given = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in OWN]
    query = urlencode(given, quote_via=quote)
    return parts._replace(netloc=f"{quote(role)}:{quote(password)}@{host}", query=query).geturl()
