"""Runs the relay and the loops beside it until a signal."""

from __future__ import annotations

import signal
import time
from functools import cache
from threading import Event, Thread
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import connection

from jobs.broker.connection import refuse_untrusted
from jobs.core.errors import BrokerTlsError, DatabaseTlsError, DatabaseUnusableError, TopologyMismatchError
from jobs.core.retry.budget import RetryBudget
from jobs.db.database_tls import refuse_untrusted_database
from jobs.exporting import exporter
from jobs.services.access.audit_sealer import AuditSealer
from jobs.services.admission.surveyor import QueueSurveyor
from jobs.services.bulk_acts.bulk_runner import BulkRunner
from jobs.services.dead_letters.canary_runner import CanaryRunner
from jobs.services.lifecycle.sweeper import Rescuer
from jobs.services.operations.recorder import OperationsRecorder
from jobs.services.relay.fed_queues import fed_queues
from jobs.services.relay.relay import Relay
from jobs.services.retention.partition_maker import PartitionMaker
from jobs.services.reuse.follower_settler import FollowerSettler
from jobs.services.rollouts.judge_loop import RolloutJudge
from jobs.services.shadow.shadow_keeper import ShadowKeeper
from jobs.services.trials import for_rollouts
from jobs.services.webhooks.dispatcher import WebhookDispatcher
from jobs.tracing import trace_switch
from models_registry.selectors import info
from models_registry.shared.kept_heap import keep_heap
from models_registry.shared.process_end import end_within

GRACE_S = 5.0
LAST_S = 8.0  # less than the ten seconds that containers have


class Command(BaseCommand):
    help = (
        "Publish due jobs to the broker, take back jobs of dead workers, expire overdue jobs, send webhooks."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            refuse_untrusted(settings.INFERENCE.broker_url)
            refuse_untrusted_database()
        except (BrokerTlsError, DatabaseTlsError) as error:
            raise CommandError(str(error)) from error
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: _end(stop))
        exporter.serve()
        trace_switch.start("relay")
        loops = [
            Thread(target=Rescuer(stop=stop).run, name="sweeper", daemon=True),
            Thread(target=FollowerSettler(stop=stop).run, name="follower-settler", daemon=True),
            Thread(target=WebhookDispatcher(stop=stop).run, name="dispatcher", daemon=True),
            Thread(target=PartitionMaker(stop=stop).run, name="partition-maker", daemon=True),
            Thread(target=CanaryRunner(stop=stop).run, name="canary-runner", daemon=True),
            Thread(target=BulkRunner(stop=stop).run, name="bulk-runner", daemon=True),
            Thread(target=AuditSealer(stop=stop).run, name="audit-sealer", daemon=True),
            Thread(target=QueueSurveyor(stop=stop).run, name="surveyor", daemon=True),
            Thread(target=OperationsRecorder(stop=stop).run, name="recorder", daemon=True),
            Thread(target=RolloutJudge(stop=stop, trials=for_rollouts).run, name="judge", daemon=True),
            Thread(target=ShadowKeeper(stop=stop).run, name="shadow-keeper", daemon=True),
        ]
        for loop in loops:
            loop.start()
        keep_heap()
        try:
            _relay(stop).run()
        except (TopologyMismatchError, DatabaseUnusableError) as error:
            raise CommandError(str(error)) from error
        finally:
            stop.set()
            until = time.monotonic() + GRACE_S
            for loop in loops:
                loop.join(max(until - time.monotonic(), 0.0))
            trace_switch.stop()


def _end(stop: Event) -> None:
    """Stop the loops; what they hold is in the database, so the process may end before one that hangs."""
    stop.set()
    end_within(LAST_S)


def _relay(stop: Event) -> Relay:
    config = settings.INFERENCE
    return Relay(
        broker_url=config.broker_url,
        depth=config.queue_depth,
        queues=_queues,
        max_batch=_max_batch,
        budget=_budget,
        stop=stop,
    )


@cache  # a version never changes
def _max_batch(version: int) -> int:
    try:
        return info(version).max_batch
    finally:
        connection.close()


def _budget(version: int) -> RetryBudget:
    try:
        retry = info(version).platform_options.retry
    finally:
        connection.close()
    return RetryBudget(retry.share, retry.floor_per_s)


def _queues() -> list[str]:
    # It is asked every two seconds, and a new connection costs more than all the relay's looks together.
    try:
        return fed_queues()
    except DatabaseError:
        connection.close()  # Postgres may have restarted: the relay asks again
        raise
