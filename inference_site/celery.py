"""The Celery application: JSON only, no result rows of its own, nothing that a broker alarm can hang."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")

app = Celery("inference_site")
app.config_from_object("inference_site.celeryconfig")
app.autodiscover_tasks()
