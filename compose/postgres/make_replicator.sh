#!/bin/sh
# Once, as the database is made: the role that the standby copies as. psql quotes the password itself.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\set word `cat "${SECRETS:-/run/secrets}/REPLICATION_PASSWORD"`
SET log_min_duration_statement = -1;
SET log_min_error_statement = panic;
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'word';
SQL
