"""What is kept, where and how long: one row for each kind of data, with every table of the database. Pure.

`forget_old` deletes by it, the report shows it, and a test holds it against the catalogue, so that a new
table cannot be forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """Data of one kind: its tables, how long it is kept, and whether it holds content of a client.

    `setting` names the setting of days, empty where none decides; `oldest` is the column of the first table
    that holds a row's age.
    """

    name: str
    tables: tuple[str, ...]
    until: str
    setting: str = ""
    oldest: str = ""
    content: bool = False


KEPT = (
    Kept(
        "inputs, parameters, metadata, results",
        ("jobs_jobinput", "jobs_jobresult", "jobs_jobkey"),
        "a day is dropped as a whole; of a live or dead job they stay with it",
        setting="RETENTION_DAYS",
        content=True,
    ),
    Kept(
        "fields of metadata by which jobs are found, of models that name some",
        ("jobs_joblabel",),
        "as long as the metadata; they go in the night that follows",
        setting="RETENTION_DAYS",
        content=True,
    ),
    Kept(
        "which version a rule chose for a job, with a keyed digest of what decided",
        ("jobs_route",),
        "as long as its job",
        setting="JOBS_DAYS",
    ),
    Kept(
        "feedback of clients on the answers of their jobs: numbers and labels",
        ("jobs_feedback",),
        "as long as its job",
        setting="JOBS_DAYS",
        oldest="at",
        content=True,
    ),
    Kept(
        "steps of jobs in cascades: which version answered how sure",
        ("jobs_step",),
        "as long as its job; the answer of an earlier step goes in the night after the job's result",
        setting="JOBS_DAYS",
        oldest="at",
        content=True,
    ),
    Kept(
        "tallies that the judge of roll-outs has not read yet",
        ("jobs_tally",),
        "some seconds; those of a roll-out that ended go in the night that follows",
        oldest="at",
    ),
    Kept(
        "roll-outs whose jobs are being taken back",
        ("jobs_takeback",),
        "some seconds, until no job of the candidate waits or runs",
        oldest="since",
    ),
    Kept(
        "which jobs are to be copied to the shadow of a rule, and which worker has some in hand; no payload",
        ("jobs_shadowcopy", "jobs_shadowhand"),
        "until the copy ran, ten minutes at most",
    ),
    Kept(
        "what shadows of rules have shown: counts, labels, service times, ids of jobs that differ",
        ("jobs_shadow",),
        "after the rule was replaced",
        setting="LEDGER_DAYS",
        oldest="since",
    ),
    Kept(
        "evidence and curves of roll-outs, keyed digests of what failed in them, and trials of versions",
        ("jobs_evidence", "jobs_rolloutpoint", "jobs_failedkey", "jobs_trial"),
        "after the end of the roll-out or trial",
        setting="LEDGER_DAYS",
        oldest="at",
    ),
    Kept(
        "what jobs of watched versions were like by the hour, in sketches, and alarms of drift",
        ("jobs_driftsketch", "jobs_drifthour", "jobs_driftalarm"),
        "after the hour",
        setting="LEDGER_DAYS",
        oldest="hour",
        content=True,
    ),
    Kept(
        "the references of watched versions, in sketches",
        ("jobs_frozenreference", "jobs_driftreference"),
        "as long as the version, or until it gets another",
        content=True,
    ),
    Kept(
        "experiments with their load reports",
        ("jobs_experiment", "jobs_measurement"),
        "for ever: they are the record of why something is as it is, and hold no content of jobs",
        oldest="created_at",
    ),
    Kept(
        "idempotency keys and digests of requests",
        ("jobs_job",),
        "after the job's end; the columns are emptied",
        setting="KEYS_DAYS",
        content=True,
    ),
    Kept(
        "jobs: ids, states and times",
        ("jobs_job", "jobs_subject"),
        "after the job's end",
        setting="JOBS_DAYS",
        oldest="created_at",
    ),
    Kept(
        "dead letters: message, traceback, history; with them the inputs of dead jobs",
        ("jobs_deadletter",),
        "after the job's death; its message in the broker goes in the night that follows",
        setting="DEAD_LETTERS_DAYS",
        oldest="created_at",
        content=True,
    ),
    Kept(
        "replays of many dead jobs",
        ("jobs_canaryreplay",),
        "after their end",
        setting="DEAD_LETTERS_DAYS",
        oldest="created_at",
    ),
    Kept(
        "acts on many jobs, with the filters that chose them",
        ("jobs_bulkact",),
        "after their end",
        setting="LEDGER_DAYS",
        oldest="created_at",
        content=True,
    ),
    Kept(
        "what operators have paused, who and why",
        ("jobs_workpause",),
        "until it is resumed",
        oldest="since",
    ),
    Kept(
        "webhooks: callback addresses and the receivers' answers",
        ("jobs_delivery",),
        "after the last attempt",
        setting="DELIVERIES_DAYS",
        oldest="finished_at",
        content=True,
    ),
    Kept(
        "addresses that answered 410",
        ("jobs_disabledendpoint",),
        "since the answer, or until an operator enables them",
        setting="DELIVERIES_DAYS",
        oldest="since",
        content=True,
    ),
    Kept(
        "messages of failed attempts",
        ("jobs_attemptmessage",),
        "after the attempt",
        setting="ATTEMPTS_DAYS",
        oldest="at",
        content=True,
    ),
    Kept(
        "the audit: who did what, without content",
        ("jobs_event", "jobs_auditseal", "django_admin_log"),
        "after the act; 0 keeps it for ever",
        setting="EVENTS_DAYS",
        oldest="at",
    ),
    Kept(
        "the ledger: batches with their jobs' last progress, workers, what these held, orders to them",
        (
            "jobs_batch", "jobs_worker", "jobs_autoscaler", "jobs_outage", "jobs_modelorder",
            "models_registry_versionload",
        ),
        "after their end",
        setting="LEDGER_DAYS",
        oldest="claimed_at",
        content=True,
    ),
    Kept(
        "the history on the live page: figures of each second of an hour, of each minute of a day",
        ("jobs_operationsstep",),
        "an hour or a day; emptied by a crash of the database",
    ),
    Kept(
        "uploads",
        ("jobs_upload",),
        "a day; with a job that refers to one, as long as the job's input",
        oldest="created_at",
        content=True,
    ),
    Kept(
        "receipts of erasures, which name nobody",
        ("jobs_erasure",),
        "after the erasure",
        setting="JOBS_DAYS",
        oldest="created_at",
    ),
    Kept(
        "objects of erased jobs that are yet to be deleted",
        ("jobs_unwantedobject",),
        "a minute, or until the storage answers",
        oldest="since",
    ),
    Kept(
        "jobs that wait or share a run",
        ("jobs_outbox", "jobs_follower", "jobs_cacheentry"),
        "until the job runs or ends; a cache entry for the `cache_ttl_s` of its version",
    ),
    Kept(
        "logins to the admin, with their addresses",
        (
            "axes_accesslog", "axes_accessfailurelog", "axes_accessattempt", "axes_accessattemptexpiration",
        ),
        "after the login; the count of refused attempts stays until the next that succeeds",
        setting="LEDGER_DAYS",
        oldest="attempt_time",
    ),
    Kept("sessions of the admin", ("django_session",), "until they expire", oldest="expire_date"),
    Kept(
        "data keys of clients, wrapped",
        ("jobs_datakey",),
        "as long as the client: what a key sealed may be in a backup",
        oldest="created_at",
    ),
    Kept("secrets of webhooks", ("jobs_webhooksecret",), "until they expire", oldest="created_at"),
    Kept(
        "clients, their tokens and quotas",
        ("jobs_client", "jobs_apitoken", "jobs_quotabucket"),
        "until an operator deletes them",
    ),
    Kept(
        "people who may log in, and their rights",
        (
            "auth_user", "auth_group", "auth_permission", "auth_user_groups", "auth_user_user_permissions",
            "auth_group_permissions", "otp_static_staticdevice", "otp_static_statictoken",
            "otp_totp_totpdevice",
        ),
        "until an operator deletes them",
    ),
    Kept(
        "models, versions, aliases and who moved them, rules and roll-outs",
        (
            "models_registry_registeredmodel", "models_registry_modelversion", "models_registry_alias",
            "models_registry_promotion", "models_registry_aliasmove", "models_registry_rule",
            "models_registry_rollout", "models_registry_rolloutapproval",
        ),
        "as long as the model",
    ),
    Kept("flags, and who changed them", ("models_registry_flag",), "until a person removes them"),
    Kept("the history of flags", ("models_registry_flagchange",), "for ever: who decided what, when"),
    Kept(
        "the state of the platform itself",
        (
            "jobs_cachegeneration", "jobs_circuit", "jobs_deadletterqueuesize", "jobs_knownkey", "jobs_lease",
            "jobs_leaseholder", "jobs_queuestanding", "jobs_operationsrecent", "jobs_channelsecret",
            "django_content_type", "django_migrations",
        ),
        "it is overwritten",
    ),
)  # fmt: skip
