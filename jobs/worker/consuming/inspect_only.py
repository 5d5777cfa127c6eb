"""What a worker answers over the broker: questions, and no orders.

Whoever may publish to the control exchange speaks to every worker and shows no name, so nothing that comes
from there changes anything. Cancels and orders to load a model are audited rows in Postgres instead.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from celery.worker.consumer.control import Control

logger = logging.getLogger(__name__)
# Not among them: `conf` and `report`, which show settings; `hello`, which takes over another's revoked ids;
# `objgraph`, `memsample` and `memdump`, which write files or take seconds.
QUESTIONS = frozenset(
    {
        "ping",
        "clock",
        "stats",
        "active",
        "reserved",
        "scheduled",
        "query_task",
        "registered",
        "active_queues",
        "loaded_models",
    }
)
REFUSED = "this worker answers questions only: cancel a job through the API, load a model by manage.py"


class InspectOnly(dict[str, Any]):
    """Celery's handlers by their names: those of questions as they are, one refusal for all others."""

    def __init__(self, handlers: Mapping[str, Any]) -> None:
        """Keep the questions among `handlers`."""
        super().__init__({name: handlers[name] for name in QUESTIONS & handlers.keys()})

    def __missing__(self, name: str) -> Any:
        """Return the refusal, also for a name that Celery does not know."""

        def refuse(_state: Any, **_arguments: Any) -> dict[str, str]:
            logger.warning("the control command %.40r is refused", name)
            return {"error": REFUSED}

        return refuse


class Questions(Control):
    """Celery's step that hears the control exchange, without the handlers of orders."""

    name = "Questions"

    def __init__(self, c: Any, **kwargs: Any) -> None:
        """Make the mailbox as Celery does, and leave it the questions."""
        super().__init__(c, **kwargs)
        self.box.node.handlers = InspectOnly(self.box.node.handlers)
