"""The Celery application of the CPU worker, beat and Flower; its settings are in `celeryconfig`."""

import os

from celery import Celery
from celery.signals import import_modules

from jobs.broker.connection import refuse_untrusted

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")

app = Celery("inference_site")
app.config_from_object("inference_site.celeryconfig")
app.autodiscover_tasks()


@import_modules.connect(sender=app)
def refuse_untrusted_broker(**_: object) -> None:
    """End a starting worker, beat or Flower if the broker is not trusted; Celery would retry for ever."""
    refuse_untrusted(app.conf.broker_url)
