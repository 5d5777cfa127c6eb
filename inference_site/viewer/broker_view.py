"""The broker's tab: how many messages each queue holds, or why that cannot be read."""

from __future__ import annotations

from flower.views import BaseHandler
from tornado.web import authenticated

from inference_site.viewer.management_api import MOST, ManagementApi, QueuePage, QueuesUnreadableError


class BrokerQueuesView(BaseHandler):
    """The queues of jobs and tasks, which a login reads that may change none."""

    def initialize(self, api: ManagementApi) -> None:
        """Ask `api`."""
        self._api = api

    @authenticated
    async def get(self) -> None:
        """Show the queues, or one sentence."""
        page, trouble = QueuePage([], 0), ""
        try:
            page = await self._api.queues()
        except QueuesUnreadableError as error:
            trouble = str(error)
        self.render("broker.html", page=page, trouble=trouble, most=MOST, vhost=self._api.vhost)
