"""The Celery application of the CPU worker, beat and Flower; its settings are in `celeryconfig`."""

import os
from typing import Any

from models_registry.shared.process_end import end_on_sigterm, end_within

end_on_sigterm()

from celery import Celery  # noqa: E402
from celery.signals import import_modules, worker_shutting_down  # noqa: E402
from django.conf import settings  # noqa: E402

from jobs.broker.connection import refuse_untrusted  # noqa: E402

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")
LAST_S = 4.0  # for what follows the grace: giving back, and Celery's own end

app = Celery("inference_site")
app.config_from_object("inference_site.celeryconfig")
app.autodiscover_tasks()


@import_modules.connect(sender=app)
def refuse_untrusted_broker(**_: object) -> None:
    """End a starting worker, beat or Flower if the broker is not trusted; Celery would retry for ever."""
    refuse_untrusted(app.conf.broker_url)


@worker_shutting_down.connect
def _end_in_time(**_: Any) -> None:
    """End a worker some seconds after its grace, whatever task or connection hangs then."""
    end_within(settings.INFERENCE.worker_grace_s + LAST_S)
