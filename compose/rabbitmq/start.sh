#!/bin/sh
# Start a node with the cookie from its file, and with TLS between the nodes. Needs RENDERED (the folder) and N (1, 2, 3).
set -eu
umask 077
cp "${COOKIE:-$RENDERED/secrets/ERLANG_COOKIE}" "$HOME/.erlang.cookie.fresh"
chmod 400 "$HOME/.erlang.cookie.fresh"
mv -f "$HOME/.erlang.cookie.fresh" "$HOME/.erlang.cookie"
ssl=$(erl -noinput -boot start_clean -eval 'io:format("~s", [filename:dirname(code:which(inet_tls_dist))]), halt().')
tls="-pa $ssl -proto_dist inet_tls -ssl_dist_optfile $RENDERED/rabbitmq/rabbitmq-$N.inter_node_tls.config"
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="$tls ${RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:-}"
export RABBITMQ_CTL_ERL_ARGS="$tls"
exec "${@:-rabbitmq-server}"
