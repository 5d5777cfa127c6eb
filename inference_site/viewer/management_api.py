"""The queues of jobs and tasks, read from RabbitMQ's management API with the login that reads events.

That login has the tag `management`: it sees the queues of its virtual host, and may do over HTTP what it may
do over AMQP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse

from jobs.broker.topology import CPU, INFER, INFER_DEAD, QUEUE_USES, WEBHOOKS

MOST = 500
CONNECT_S, ANSWER_S = 2.0, 5.0
PLUGIN = "rabbitmq-plugins enable rabbitmq_management"
_OF_WORK = {INFER, INFER_DEAD, WEBHOOKS.exchange, CPU.exchange}
NAMES = f"^(?:{'|'.join(use.names for use in QUEUE_USES if use.exchange in _OF_WORK)})$"


class QueuesUnreadableError(Exception):
    """The queues cannot be read; the message says what to do."""


@dataclass(frozen=True)
class QueuePage:
    """The first queues by name, and how many there are."""

    queues: list[dict[str, Any]]
    total: int


@dataclass(frozen=True)
class ManagementApi:
    """RabbitMQ's management API and who asks it; `url` is empty where it is not known."""

    url: str
    user: str
    password: str = field(repr=False)
    vhost: str
    ca_file: str = ""

    @classmethod
    def of(cls, management_url: str, broker_url: str, ca_file: str = "") -> Self:
        """Ask at `management_url` with the login of the broker's first node; a login in it is not used."""
        broker, api = urlsplit(broker_url.partition(";")[0]), urlsplit(management_url)
        where = f"{api.scheme}://{api.netloc.rpartition('@')[2]}{api.path.rstrip('/')}" if api.netloc else ""
        user, password = unquote(broker.username or ""), unquote(broker.password or "")
        return cls(where, user, password, unquote(broker.path[1:]) or "/", ca_file)

    async def queues(self) -> QueuePage:
        """Return the queues of jobs and tasks, by name; QueuesUnreadableError."""
        if not self.url:
            raise QueuesUnreadableError(
                "This viewer does not know RabbitMQ's management API: set RABBITMQ_MANAGEMENT_URL for it, "
                "such as http://rabbitmq:15672, without a login."
            )
        return _page_of(self._checked(await self._asked()))

    async def _asked(self) -> HTTPResponse:
        query = urlencode({"page": 1, "page_size": MOST, "sort": "name", "use_regex": "true", "name": NAMES})
        try:
            return await AsyncHTTPClient().fetch(
                f"{self.url}/api/queues/{quote(self.vhost, safe='')}?{query}",
                auth_username=self.user,
                auth_password=self.password,
                connect_timeout=CONNECT_S,
                request_timeout=ANSWER_S,
                follow_redirects=False,
                ca_certs=self.ca_file or None,
                raise_error=False,
            )
        except (OSError, HTTPClientError) as error:
            raise QueuesUnreadableError(
                f"RabbitMQ's management API does not answer at {self.url}: {error}. Is its plugin on? "
                f"Run `{PLUGIN}` on the broker, or set RABBITMQ_MANAGEMENT_URL to where it listens."
            ) from error

    def _checked(self, answer: HTTPResponse) -> HTTPResponse:
        if answer.code == HTTPStatus.OK:
            return answer
        if answer.code == HTTPStatus.UNAUTHORIZED:
            raise QueuesUnreadableError(
                f"RabbitMQ's management API refuses the user `{self.user}`: give it the tag `management` "
                f"(`rabbitmqctl set_user_tags {self.user} management`)."
            )
        raise QueuesUnreadableError(
            f"What answers at {self.url} with status {answer.code} is not RabbitMQ's management API, or it "
            f"has no virtual host {self.vhost}: check RABBITMQ_MANAGEMENT_URL and BROKER_URL."
        )


class _Answer(msgspec.Struct):
    items: list[dict[str, Any]]
    filtered_count: int


def _page_of(answer: HTTPResponse) -> QueuePage:
    try:
        page = msgspec.json.decode(answer.body, type=_Answer)
    except msgspec.MsgspecError as error:
        raise QueuesUnreadableError(
            "What answers at RABBITMQ_MANAGEMENT_URL is not RabbitMQ's management API: " + str(error)
        ) from error
    return QueuePage([_shown(queue) for queue in page.items], page.filtered_count)


def _shown(queue: Mapping[str, Any]) -> dict[str, Any]:
    names = ("name", "messages_ready", "messages_unacknowledged", "messages", "consumers", "state")
    return {name: queue.get(name) for name in names}
