"""The jobs app in Django's admin: read-only, and quick however many rows there are."""

from django.contrib import admin

from jobs.admin import batches as ledger
from jobs.admin import circuits, clients, queues, webhooks
from jobs.admin import job as job_admin
from jobs.admin import outbox_and_events as rows
from jobs.admin.dead_letters import admin as dead_letters

__all__ = ["circuits", "clients", "dead_letters", "job_admin", "ledger", "queues", "rows", "webhooks"]

admin.site.site_header = admin.site.site_title = "Inference platform"
admin.site.index_title = "Jobs and models"
admin.site.enable_nav_sidebar = False  # the lists need the width
