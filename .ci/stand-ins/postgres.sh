#!/bin/bash
# Like the official image: sets the cluster up with POSTGRES_USER, _PASSWORD and _DB in a first run of the server, then serves.
set -e
[ "${1:-postgres}" = postgres ] && shift || true
user=${POSTGRES_USER:-postgres} database=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --encoding UTF8 --username "$user" --pwfile <(echo "$POSTGRES_PASSWORD") --auth-host scram-sha-256 --auth-local trust >/dev/null
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait --options "-c listen_addresses= -c unix_socket_directories=/tmp" start
  [ "$database" = postgres ] || createdb --host /tmp --username "$user" "$database"
  pg_ctl --wait --mode fast stop
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp,/var/run/postgresql "$@"
