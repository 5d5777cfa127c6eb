"""The broker users' rights, made of the topology: RabbitMQ's definitions, which `compose/` imports.

RabbitMQ asks for `configure` to declare a queue or exchange, for `write` on the queue and `read` on the
exchange to bind, for `write` on the exchange to publish, and for `read` on the queue to consume. To declare
a queue with a dead-letter exchange also takes `read` on the queue and `write` on that exchange. On a topic
exchange the routing keys of a publish and of a binding have permissions of their own; without a line there
a user may use every key, so each user has one. One user has a tag: with `management` Flower's sees the queues
of the virtual host over HTTP, and its own connections; `monitoring` would show every connection. Over HTTP
it may do what it may do over AMQP. Nobody else sees RabbitMQ's own pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from jobs.broker.topology import QUEUE_USES, BrokerUser, ExchangeSpec, QueueUse

VHOST = "/"
_NOTHING, _ANYTHING = "^$", ".*"
_CONFIGURE, _WRITE, _READ = "configure", "write", "read"
_Grant = tuple[str, str]


def definitions() -> dict[str, Any]:
    """Return RabbitMQ's definitions of the users, without their passwords, and of what each may do.

    With them come the exchanges that a user binds to and may not make.
    """
    bound = [use for use in QUEUE_USES if use.bound_by]
    return {
        "vhosts": [{"name": VHOST}],
        "users": [_login(user) for user in BrokerUser],
        "permissions": [{"user": user, "vhost": VHOST, **rights(user)} for user in BrokerUser],
        "topic_permissions": [
            _topic_right(user, use) for use in QUEUE_USES if use.keys for user in BrokerUser
        ],
        "exchanges": [_made(use.exchange) for use in bound],
    }


def _topic_right(user: BrokerUser, use: QueueUse) -> dict[str, str]:
    return {
        "user": user,
        "vhost": VHOST,
        "exchange": use.exchange.name,
        "write": f"^(?:{use.keys})$" if user in use.filled_by else _NOTHING,
        "read": _ANYTHING if user in use.bound_by | use.declared_by else _NOTHING,
    }


def _made(exchange: ExchangeSpec) -> dict[str, Any]:
    kinds = {"type": exchange.kind, "durable": exchange.durable, "auto_delete": False, "internal": False}
    return {"name": exchange.name, "vhost": VHOST, **kinds, "arguments": {}}


def _login(user: BrokerUser) -> dict[str, str]:
    return {
        "name": user,
        "password_hash": "",
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "management" if user is BrokerUser.MONITOR else "",
    }


def rights(user: BrokerUser) -> dict[str, str]:
    """Return the regular expressions of the names that the user may configure, write and read."""
    grants = {grant for use in QUEUE_USES for grant in _grants(user, use)}
    return {
        right: _one_of(sorted(names for granted, names in grants if granted == right))
        for right in (_CONFIGURE, _WRITE, _READ)
    }


def _grants(user: BrokerUser, use: QueueUse) -> Iterator[_Grant]:
    exchange = re.escape(use.exchange.name)
    if user in use.declared_by:
        yield from ((_CONFIGURE, exchange), *_to_declare(use, exchange))
    if user in use.bound_by:
        yield from _to_declare(use, exchange)
    if user in use.filled_by:  # a publisher declares the exchange first, as Celery does
        yield from ((_CONFIGURE, exchange), (_WRITE, exchange))
    if user in use.emptied_by:
        yield _READ, use.names


def _to_declare(use: QueueUse, exchange: str) -> Iterator[_Grant]:
    yield from ((_CONFIGURE, use.names), (_WRITE, use.names), (_READ, exchange))
    if use.dead_letters is not None:
        yield from ((_READ, use.names), (_WRITE, re.escape(use.dead_letters.name)))


def _one_of(names: list[str]) -> str:
    # An empty expression would match nothing in RabbitMQ too, but only by a rule of its own.
    return f"^(?:{'|'.join(names)})$" if names else _NOTHING
