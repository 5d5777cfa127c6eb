#!/bin/sh
# Copy the primary once, then follow it. CONFIG is the rendered configuration, PRIMARY and PORT where the primary is.
set -eu
copy() {
  rm -rf "$PGDATA.fresh" # what a copy that was cut off has left
  pg_basebackup --pgdata="$PGDATA.fresh" --wal-method=stream --checkpoint=fast --slot=standby "$@" --dbname="\
host=$PRIMARY port=$PORT user=replicator passfile=$RENDERED/postgres/replication.pgpass \
sslmode=verify-full sslrootcert=$RENDERED/ca/ca.pem"
}
mkdir -p "$(dirname "$PGDATA")"
while [ ! -s "$PGDATA/PG_VERSION" ]; do
  if copy --create-slot || copy; then # the slot may be there from an earlier copy
    touch "$PGDATA.fresh/standby.signal"
    [ ! -d "$PGDATA" ] || rmdir "$PGDATA"
    mv "$PGDATA.fresh" "$PGDATA"
  else
    sleep 5
  fi
done
exec postgres -D "$PGDATA" -c "config_file=$CONFIG"
