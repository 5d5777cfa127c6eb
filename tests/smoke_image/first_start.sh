#!/bin/sh
# As the entry point of the image `postgres`, as far as compose.yaml needs it: the first start makes the database.
set -eu
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  # shellcheck disable=SC2086  # several options in one variable, as in the image
  initdb --pgdata="$PGDATA" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" ${POSTGRES_INITDB_ARGS:-}
  shift
  options="$* -c listen_addresses="
  pg_ctl --pgdata="$PGDATA" --options="$options" --wait start
  PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
  export PGPASSWORD
  createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
  for file in /docker-entrypoint-initdb.d/*.sh; do
    sh "$file"
  done
  pg_ctl --pgdata="$PGDATA" --wait stop
  unset PGPASSWORD
  set -- postgres "$@"
fi
exec "$@"
