"""Beat's scheduler: in memory, because a crontab needs no file, and it marks each task that it has sent."""

from __future__ import annotations

from typing import Any

from celery.beat import Scheduler

from jobs.worker import process_marks


class MarkingScheduler(Scheduler):
    """Celery's scheduler, which leaves a mark when the broker has taken a task."""

    def apply_async(self, *args: Any, **kwargs: Any) -> Any:
        """Send a due task, then leave the mark; an error is the caller's, who logs it, and leaves none."""
        result = super().apply_async(*args, **kwargs)
        process_marks.leave(process_marks.BEAT)
        return result
