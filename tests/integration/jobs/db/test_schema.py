"""Indexes, constraints and migrations of our tables are as intended."""

from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.utils import DataError
from django.utils import timezone

from jobs.core.ids import uuid7
from jobs.models import Batch, Client, Job, Outbox, Worker
from models_registry.models import ModelVersion, RegisteredModel

INDEXES = {
    "jobs_apitoken": {"pkey (id)", "unique (digest)", "(client_id)"},
    "jobs_attemptmessage": {"pkey (event_id)", "(job_id)"},
    "jobs_auditseal": {"pkey (id)", "unique (previous)", "unique (hash)"},
    "jobs_channelsecret": {"pkey (id)"},
    "jobs_modelorder": {"pkey (id)", "(worker_id) WHERE (taken_at IS NULL)"},
    "jobs_autoscaler": {"pkey (host)", "(host varchar_pattern_ops)"},
    "jobs_batch": {"pkey (id)", "(worker_id) WHERE (finished_at IS NULL)"},
    "jobs_cacheentry": {"pkey (key)", "(expires_at)", "(job_id)"},
    "jobs_canaryreplay": {"pkey (id)", "(id) WHERE (ended_at IS NULL)"},
    "jobs_bulkact": {"pkey (id)", "(id) WHERE (ended_at IS NULL)", "unique (client_id, idempotency_key)"},
    "jobs_circuit": {"pkey (id)", "unique (version_id, client)"},
    "jobs_client": {"pkey (id)", "unique (name)", "(name varchar_pattern_ops)"},
    "jobs_deadletter": {
        "pkey (job_id)",
        "(queue, kind, fingerprint, created_at) WHERE (discarded_at IS NULL)",
        "(queue, due) WHERE (due IS NOT NULL)",
    },
    "jobs_deadletterqueuesize": {"pkey (model)", "(model varchar_pattern_ops)"},
    "jobs_delivery": {
        "pkey (job_id)",
        "(job_id) WHERE ((due IS NULL) AND ((state)::text = 'waiting'::text))",
        "(client_id) WHERE (sent > 0)",
        "(client_id, due) WHERE (due IS NOT NULL)",
    },
    "jobs_disabledendpoint": {"pkey (id)", "unique (client_id, url)", "(client_id)"},
    "jobs_erasure": {"pkey (id)"},
    "jobs_event": {
        "pkey (id)",
        "(job_id)",
        "(((detail ->> 'version'::text)), at) WHERE ((kind)::text = 'circuit'::text)",
    },
    "jobs_follower": {
        "pkey (job_id)",
        "(leader, priority DESC, job_id)",
        "(deadline) WHERE (deadline IS NOT NULL)",
    },
    "jobs_job": {
        "pkey (id)",
        "(client_id, id DESC)",
        "unique (client_id, idempotency_key) WHERE (idempotency_key IS NOT NULL)",
    },
    "jobs_jobinput": {"pkey (job_id, keep_days)"},
    "jobs_jobresult": {"pkey (job_id, keep_days)"},
    "jobs_knownkey": {"pkey (name)", "(name varchar_pattern_ops)"},
    "jobs_lease": {"pkey (name)", "(name varchar_pattern_ops)"},
    "jobs_leaseholder": {"pkey (id)"},
    "jobs_operationsrecent": {"pkey (id)"},
    "jobs_operationsstep": {"pkey (step_s, at, queue)"},
    "jobs_outage": {"pkey (id)", "(until)"},
    "jobs_outbox": {
        "pkey (job_id)",
        "(queue, priority DESC, client, due) WHERE (published = 0)",
        "(queue, due) WHERE (published = 0)",
        "(queue, due) WHERE (published > 0)",
        "(deadline) WHERE (deadline IS NOT NULL)",
    },
    "jobs_webhooksecret": {"pkey (id)", "(client_id)"},
    "jobs_workpause": {"pkey (id)", "unique (kind, target)"},
    "jobs_queuestanding": {"pkey (queue)", "(queue varchar_pattern_ops)"},
    "jobs_quotabucket": {"pkey (id)", "unique (client_id, kind)"},
    "jobs_datakey": {"pkey (id)", "unique (client_id, month)"},
    "jobs_jobkey": {"pkey (job_id)"},
    "jobs_joblabel": {"pkey (id)", "(queue, field, value, job_id)", "unique (job_id, field)"},
    "jobs_evidence": {"pkey (rollout)"},
    "jobs_cachegeneration": {"pkey (model_id)"},
    "jobs_driftalarm": {"pkey (id)", "unique (version_id, hour)", "(due) WHERE (due IS NOT NULL)"},
    "jobs_drifthour": {"pkey (id)", "unique (version_id, hour, field)", "(hour)"},
    "jobs_driftreference": {"pkey (id)", "unique (version_id, field)"},
    "jobs_driftsketch": {"pkey (id)", "unique (version_id, hour, field, worker)", "(hour)"},
    "jobs_frozenreference": {"pkey (version_id)"},
    "jobs_experiment": {"pkey (id)"},
    "jobs_measurement": {"pkey (id)", "(experiment_id)"},
    "jobs_failedkey": {"pkey (id)", "unique (rollout, kind, key)"},
    "jobs_rolloutpoint": {"pkey (id)", "(rollout, id)"},
    "jobs_feedback": {"pkey (job_id, name)"},
    "jobs_route": {"pkey (job_id)", "(rule, job_id) INCLUDE (version, key) WHERE ((arm)::text = 'ab'::text)"},
    "jobs_shadow": {"pkey (rule)", "unique (model, alias, number)"},
    "jobs_shadowcopy": {"pkey (job_id)", "(rule, job_id)"},
    "jobs_shadowhand": {"pkey (worker)"},
    "jobs_step": {"pkey (id)", "unique (job_id, epoch)", "(rule, id)"},
    "jobs_takeback": {"pkey (rollout)"},
    "jobs_tally": {"pkey (id)", "(rollout, id)"},
    "jobs_trial": {
        "pkey (id)",
        "(model, id) WHERE (ended_at IS NULL)",
        "(rollout, id) WHERE (rollout IS NOT NULL)",
    },
    "jobs_subject": {"pkey (id)", "(client_id, digest, job_id)", "unique (job_id, digest)"},
    "jobs_unwantedobject": {"pkey (name)", "(name varchar_pattern_ops)"},
    "jobs_upload": {"pkey (id)", "(expires_at)"},
    "jobs_worker": {"pkey (id)"},
}
TABLES = r"""
SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relname LIKE 'jobs\_%'
"""
PARTITIONS = r"SELECT relname FROM pg_class WHERE relkind = 'r' AND relispartition AND relname LIKE 'jobs\_%'"
WRITTEN_BY_EVERY_JOB = (
    "jobs_job", "jobs_jobinput", "jobs_jobresult", "jobs_outbox", "jobs_batch", "jobs_event",
)  # fmt: skip
NEVER_CHANGES = {"id", "client_id", "version_id", "queue", "priority", "idempotency_key", "created_at"}


def indexes_of(table: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s", (table,))
        return {_shown(name, text) for name, text in cursor.fetchall()}


def _shown(name: str, text: str) -> str:
    columns = text.split(" USING btree ")[1]
    kind = "pkey " if name.endswith("_pkey") else "unique " if "UNIQUE" in text else ""
    return kind + columns


def test_every_table_s_indexes_are_the_listed_ones(db: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        tables = {name for (name,) in cursor.fetchall()}
    assert {table: indexes_of(table) for table in tables} == INDEXES


def test_every_partition_has_the_indexes_of_its_table(db: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(PARTITIONS)
        partitions = {name: indexes_of(name) for (name,) in cursor.fetchall()}
    assert len(partitions) > 2 * 9  # a class of two tables, a week ahead
    assert {name for name, indexes in partitions.items() if indexes != {"pkey (job_id, keep_days)"}} == set()


def test_no_index_on_jobs_holds_a_column_that_changes(db: str) -> None:
    query = """SELECT DISTINCT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
        AND (a.attnum = ANY(i.indkey) OR pg_get_expr(i.indpred, i.indrelid) ~ ('\\m' || a.attname || '\\M'))
        WHERE i.indrelid = 'jobs_job'::regclass AND a.attnum > 0"""
    with connection.cursor() as cursor:
        cursor.execute(query)
        assert {name for (name,) in cursor.fetchall()} <= NEVER_CHANGES


def test_claim_and_settle_of_a_job_touch_no_index(version: ModelVersion) -> None:
    job, batch = a_job(version), a_batch(version)
    changes = (
        (
            "state = 'running', epoch = epoch + 1, attempts = 1, started_at = now(), batch_id = %s",
            (batch.id,),
        ),
        ("state = 'waiting', error_kind = 'transient', error_code = 'busy'", ()),
        ("state = 'succeeded', finished_at = now()", ()),
    )
    before = hot_and_all_updates()
    with connection.cursor() as cursor:
        for change, values in changes:
            cursor.execute(f"UPDATE jobs_job SET {change} WHERE id = %s", (*values, job.id))
    hot, updates = (now - then for now, then in zip(hot_and_all_updates(), before, strict=True))
    assert (hot, updates) == (3, 3)


def hot_and_all_updates() -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT 1")
        cursor.execute("SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'jobs_job'")
        (row,) = cursor.fetchall()
        return row[0], row[1]


@pytest.fixture
def version(db: str) -> ModelVersion:
    model = RegisteredModel.objects.create(name="echo")
    return ModelVersion.objects.create(model=model, version="1", loader="entry_point", artifact="a:b")


def a_batch(version: ModelVersion) -> Batch:
    worker = Worker.objects.create(id=uuid4(), node="n", host="h", pid=1, device="cpu", model_names=[])
    return Batch.objects.create(
        id=uuid4(), worker=worker, version=version, members=[], size=0, seal_reason="idle"
    )


def a_job(version: ModelVersion, **columns: Any) -> Job:
    client, _ = Client.objects.get_or_create(name="tests")
    plain = {"model": "echo", "priority": 4, "state": "queued", "max_attempts": 3}
    return Job.objects.create(
        id=uuid7(1_790_000_000_000, uuid4().int), client=client, version=version, **plain | columns
    )


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("job_state_has_its_columns", {"state": "lost"}),
        ("job_priority_is_0_to_9", {"priority": 10}),
        ("job_priority_is_0_to_9", {"priority": -1}),
        ("job_state_has_its_columns", {"state": "succeeded"}),
        ("job_state_has_its_columns", {"state": "queued", "finished_at": timezone.now()}),
        ("job_state_has_its_columns", {"state": "waiting", "finished_at": timezone.now()}),
        ("job_state_has_its_columns", {"state": "running"}),
    ],
)
def test_a_job_that_breaks_a_rule_is_refused(
    version: ModelVersion, name: str, columns: dict[str, Any]
) -> None:
    with pytest.raises(IntegrityError, match=name):
        a_job(version, **columns)


def test_an_idempotency_key_is_one_job_s_for_each_client(version: ModelVersion) -> None:
    a_job(version, idempotency_key="k")
    other = Client.objects.create(name="other")
    assert a_job(version).pk != a_job(version).pk
    Job.objects.create(
        id=uuid4(), client=other, version=version, model="echo", priority=4, state="queued", max_attempts=3,
        idempotency_key="k",
    )  # fmt: skip
    with pytest.raises(IntegrityError, match="job_idempotency_key_once"):
        a_job(version, idempotency_key="k")


def test_what_every_job_writes_locks_no_row_of_another_table(version: ModelVersion) -> None:
    query = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY(%s::regclass[])"
    with connection.cursor() as cursor:
        cursor.execute(query, (list(WRITTEN_BY_EVERY_JOB),))
        assert cursor.fetchall() == []


def test_what_every_job_writes_has_few_checks_because_each_statement_parses_them_all(db: str) -> None:
    query = """SELECT conname FROM pg_constraint
        WHERE contype = 'c' AND conrelid = ANY(%s::regclass[])"""
    with connection.cursor() as cursor:
        cursor.execute(query, (["jobs_job", "jobs_outbox", "jobs_batch"],))
        assert {name for (name,) in cursor.fetchall()} == {
            "job_priority_is_0_to_9",
            "job_state_has_its_columns",
        }


def test_what_a_job_refers_to_cannot_be_deleted_also_by_sql(version: ModelVersion) -> None:
    job, batch = a_job(version), a_batch(version)
    assert_refused("DELETE FROM jobs_client", "has jobs")
    assert_refused("DELETE FROM models_registry_modelversion", "has jobs or batches")
    Outbox.objects.create(job=job, epoch=0, version=version, model="echo", priority=4, client=job.client_id)
    assert_refused("DELETE FROM jobs_job", "still to be published")
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("DELETE FROM jobs_job")
        cursor.execute("DELETE FROM jobs_outbox")  # until the end of the transaction
    assert_refused("DELETE FROM models_registry_modelversion", "has jobs or batches")
    batch.delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM jobs_client")
        cursor.execute("DELETE FROM models_registry_modelversion")


def assert_refused(statement: str, why: str) -> None:
    with pytest.raises(IntegrityError, match=why), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_state_longer_than_the_column_is_refused(version: ModelVersion) -> None:
    with pytest.raises((IntegrityError, DataError)):
        a_job(version, state="succeeded-almost")


def test_the_migrations_match_the_models(db: str) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
