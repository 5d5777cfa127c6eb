"""The jobs app in Django's admin: read-only, and quick however many rows there are."""

from django.contrib import admin

from jobs.admin import (
    batches,
    circuit_admin,
    client_admin,
    job_admin,
    outbox_and_events,
    people_admin,
    queue_admin,
    webhook_admin,
)
from jobs.admin.acting import bulk_act_admin, pause_admin
from jobs.admin.dead_letters import admin as dead_letters
from jobs.admin.dead_letters import replays
from jobs.admin.drift import drift_admin
from jobs.admin.experiments import experiment_admin
from jobs.admin.flags import flag_admin, flag_change_admin
from jobs.admin.operations import autoscaler_admin
from jobs.admin.registry_pages import alias_page, model_page, version_page
from jobs.admin.rollouts import rollout_admin, rule_admin, shadow_admin, trial_admin

__all__ = [
    "alias_page",
    "autoscaler_admin",
    "batches",
    "bulk_act_admin",
    "circuit_admin",
    "client_admin",
    "dead_letters",
    "drift_admin",
    "experiment_admin",
    "flag_admin",
    "flag_change_admin",
    "job_admin",
    "model_page",
    "outbox_and_events",
    "pause_admin",
    "people_admin",
    "queue_admin",
    "replays",
    "rollout_admin",
    "rule_admin",
    "shadow_admin",
    "trial_admin",
    "version_page",
    "webhook_admin",
]

admin.site.site_header = admin.site.site_title = "Inference platform"
admin.site.index_title = "Jobs and models"
admin.site.enable_nav_sidebar = False  # the lists need the width
