#!/bin/sh
# Start a node with the cookie from its file, and with TLS between the nodes. Needs RENDERED (the folder) and N (1, 2, 3).
set -eu
umask 077
cookie="$HOME/.erlang.cookie" source="${COOKIE:-$RENDERED/secrets/ERLANG_COOKIE}"
if ! cmp -s "$source" "$cookie"; then # each command comes by here, and two may at once
  fresh="$cookie.$$"
  rm -f "$fresh" # of one that was killed; it cannot be written again
  cp "$source" "$fresh"
  chmod 400 "$fresh"
  mv -f "$fresh" "$cookie"
fi
ssl=$(erl -noinput -boot start_clean -eval 'io:format("~s", [filename:dirname(code:which(inet_tls_dist))]), halt().')
tls="-pa $ssl -proto_dist inet_tls -ssl_dist_optfile $RENDERED/rabbitmq/rabbitmq-$N.inter_node_tls.config"
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="$tls ${RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:-}"
export RABBITMQ_CTL_ERL_ARGS="$tls"
exec "${@:-rabbitmq-server}"
