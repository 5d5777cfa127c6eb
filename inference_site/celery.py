"""The Celery application of the CPU worker and beat; its settings are in `celeryconfig`."""

import logging
import os
from typing import Any

from models_registry.shared.process_end import end_on_sigterm, end_within

end_on_sigterm()

from celery import Celery  # noqa: E402
from celery.apps import worker as program  # noqa: E402
from celery.signals import (  # noqa: E402
    beat_init,
    celeryd_init,
    import_modules,
    setup_logging,
    worker_init,
    worker_shutdown,
    worker_shutting_down,
)
from django.conf import settings  # noqa: E402
from django.db import DatabaseError, connection  # noqa: E402

from inference_site.process_needs import refuse  # noqa: E402
from jobs.broker.connection import refuse_untrusted  # noqa: E402
from jobs.broker.uncompressed import refuse_compressed  # noqa: E402
from jobs.core.errors import DatabaseTlsError  # noqa: E402
from jobs.db.database_tls import refuse_untrusted_database  # noqa: E402
from jobs.exporting import exporter  # noqa: E402
from jobs.tracing import trace_switch  # noqa: E402

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")
log = logging.getLogger(__name__)
DRAIN_S = 3.0  # less than what follows
LAST_S = 4.0  # for what follows the grace: giving back, and Celery's own end

refuse_compressed()
app = Celery(
    "inference_site",
    control="jobs.result_backend:JobControl",
    events="jobs.worker.consuming.dropped_events:DroppedEvents",
)
app.config_from_object("inference_site.celeryconfig")
app.autodiscover_tasks()


@import_modules.connect(sender=app)
def refuse_mistakes(**_: object) -> None:
    """End a starting worker or beat with its mistakes, or if the broker is not trusted.

    Celery ignores what Django's checks find, and would ask such a broker for ever.
    """
    refuse(settings.INFERENCE.mistakes)
    refuse_untrusted(app.conf.broker_url)
    try:
        refuse_untrusted_database()  # beat has none
    except DatabaseTlsError as error:
        refuse([str(error)])


@setup_logging.connect
def _keep_logging(**_: Any) -> None:
    """Stand where Celery would configure logs of its own: Django's settings have done it."""


@celeryd_init.connect
def _say_in_records(**_: Any) -> None:
    """Log what a worker writes to a file's number when a signal stops it, if logs are JSON."""
    if settings.INFERENCE.log_format == "json":
        program.safe_say = lambda text, *_: log.info("%s", text)


@worker_init.connect
@beat_init.connect
def _serve_metrics(**_: Any) -> None:
    exporter.serve()


@worker_init.connect
def _record_spans(**_: Any) -> None:
    trace_switch.start("cpu-worker")  # a GPU worker has started under its own name


@worker_init.connect
def _refuse_other_keys(**_: Any) -> None:
    """End a starting CPU worker whose keys are not those of the database: it could sign no webhook."""
    from jobs.core.errors import DatabaseUnusableError
    from jobs.services.access.known_keys import check_keys

    try:
        check_keys()
    except DatabaseUnusableError as error:
        raise SystemExit(f"error: {error}") from error
    except DatabaseError as error:
        log.warning("the keys are not compared with the database's, which does not answer: %s", error)
    finally:
        connection.close()


@worker_shutdown.connect
def _send_what_has_begun(**_: Any) -> None:
    """Let webhooks on their way arrive: the others are sent again in a minute."""
    from jobs.services.webhooks.sender import sender

    sender().drain(DRAIN_S)
    trace_switch.stop()


@worker_shutting_down.connect
def _end_in_time(**_: Any) -> None:
    """End a worker some seconds after its grace, whatever task or connection hangs then."""
    end_within(settings.INFERENCE.worker_grace_s + LAST_S)
