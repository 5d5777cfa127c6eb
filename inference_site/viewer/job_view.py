"""A task's page: Flower's, with links to the admin, and a page of its own for a task that it never saw."""

from __future__ import annotations

from http import HTTPStatus

from flower.utils.tasks import get_task_by_id
from flower.views.tasks import TaskView
from tornado.web import authenticated


class JobView(TaskView):
    """One task: a job's leads to the admin."""

    @authenticated
    def get(self, task_id: str) -> None:
        """Show the task; 404 and where else to look for one that Flower does not know."""
        if get_task_by_id(self.application.events, task_id) is None:
            self.set_status(HTTPStatus.NOT_FOUND)
            self.render("unseen.html", task_id=task_id, most=self.application.options.max_tasks)
        else:
            super().get(task_id)
