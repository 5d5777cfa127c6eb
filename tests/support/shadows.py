"""A worker's shadows and their keeper in the test's own thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Event
from typing import Any

import sqlalchemy as sa

from jobs.db.session import open_session
from jobs.models import Outbox, Shadow
from jobs.services.shadow.shadow_keeper import ShadowKeeper
from jobs.services.submission.submitted import Submitted
from jobs.worker.loading.model_loader import ModelLoader
from jobs.worker.shadow.shadow_runner import ShadowRunner
from jobs.worker.trials.trial_desk import BesideBatches, TrialPlace
from jobs.worker.trials.turn import Turn
from models_registry import selectors
from models_registry.models import ModelVersion, Rule
from models_registry.pool import ModelPool
from models_registry.services.rules import put_rule
from tests.support.factories import make_worker
from tests.support.submit import submit_to


class ShadowWorker:
    """A worker's row, pool and loader, whose copies run when a test says so."""

    def __init__(
        self,
        *versions: ModelVersion,
        entry_points: Iterable[str] = (),
        node: str = "gpu-0@tests",
        quiet: Callable[[], bool] = lambda: True,
    ) -> None:
        models = sorted({version.model.name for version in versions})
        self.row = make_worker(node, model_names=models)
        self.pool = ModelPool("cpu", entry_points=entry_points)
        self.loader = ModelLoader(self.pool, limit_s=lambda _: 60.0)
        self.loader.start()
        for version in versions:
            self.loader.request(version.pk).result(60)
        self.stopping, self.broken, self.beside = Event(), list[str](), BesideBatches()
        turn = Turn(quiet, busy_share=0.0)
        place = TrialPlace(self.row.id, node, self.loader, turn, self.beside, stopping=self.stopping.is_set)
        self.runner = ShadowRunner(place, lambda: models, quiet, stop=Event(), broken=self.broken.append)

    def run(self, session: sa.Connection) -> None:
        """Run copies until the worker has other work, or no copy waits."""
        self.runner._read_next_s = 0.0  # else it reads the shadows once a second
        self.runner.step(session, ())


def shadow_rule(
    model: str = "echo", *, version: str = "2", share: float = 1.0, begun: bool = True, **fields: Any
) -> Rule:
    """Put a rule in force with a shadow, which gets copies if it has `begun`; `fields` are others of it."""
    shadow = {"version": version, "share": share, "time_share": 1.0} | fields
    put = put_rule(model=model, alias="default", document={"stable": "1", "shadow": shadow}, actor="olga")
    selectors.forget()
    if begun:
        with open_session() as session:
            keep(session)
    return put


def keep(session: sa.Connection) -> None:
    """Let the keeper look once."""
    ShadowKeeper(stop=Event()).step(session, ())


def shadow_of(rule: Rule) -> Shadow:
    """Return the row of a rule's shadow."""
    return Shadow.objects.get(pk=rule.pk)


def submitted(model: str, values: Iterable[Any], **fields: Any) -> list[Submitted]:
    """Submit jobs that no worker has to claim any more, as if they were all running."""
    jobs = [submit_to(model, value, **fields) for value in values]
    Outbox.objects.all().delete()
    return jobs
