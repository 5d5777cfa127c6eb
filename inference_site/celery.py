"""The Celery application of the CPU worker, beat and Flower; its settings are in `celeryconfig`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")

app = Celery("inference_site")
app.config_from_object("inference_site.celeryconfig")
app.autodiscover_tasks()
