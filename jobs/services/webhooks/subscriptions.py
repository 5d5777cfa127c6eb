"""Register the webhooks of jobs: with a submit, again with a replay; send one by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from django.conf import settings
from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.access.scopes import Scope
from jobs.core.errors import JobNotFoundError, WebhookSecretMissingError, WrongStateError
from jobs.core.states import TERMINAL
from jobs.core.webhooks.url import endpoint
from jobs.db.statement import Statement, execute, fetch_all
from jobs.models import DisabledEndpoint
from jobs.services.access.audit import note
from jobs.services.access.owner import Owner

_SIGNS = Statement(
    """
SELECT EXISTS (SELECT FROM jobs_webhooksecret
  WHERE client_id = %(client)s AND (expires_at IS NULL OR expires_at > now()))
""",
    bool,
)
# A job that was answered from the cache has already ended.
_EXPECT: Statement[None] = Statement("""
INSERT INTO jobs_delivery (job_id, client_id, url, epoch, discloses, due)
SELECT job.id, job.client_id, given.url, job.epoch, %(discloses)s,
  CASE WHEN job.state = ANY(%(ended)s) THEN now() END
FROM unnest(%(jobs)s::uuid[], %(urls)s::text[]) AS given(id, url) JOIN jobs_job job USING (id)
ON CONFLICT (job_id) DO NOTHING
""")
_EXPECT_AGAIN: Statement[None] = Statement("""
UPDATE jobs_delivery SET state = 'waiting', due = NULL, sent = 0, before = attempts, finished_at = NULL
WHERE job_id = ANY(%(jobs)s)
""")
_SEND = Statement(
    """
UPDATE jobs_delivery SET state = 'waiting', due = now(), sent = 0, before = attempts, finished_at = NULL
WHERE job_id = %(job)s AND (due IS NOT NULL OR state <> 'waiting') RETURNING job_id
""",
    UUID,
)
_EXISTS = Statement("SELECT EXISTS (SELECT FROM jobs_delivery WHERE job_id = %(job)s)", bool)


def check_callback(url: str, *, has_secret: Callable[[], bool]) -> None:
    """Refuse an address that may not be called, or a client without a valid secret; no name is looked up.

    CallbackRefusedError; WebhookSecretMissingError.
    """
    endpoint(url, internal_hosts=settings.INFERENCE.webhook_internal_hosts)
    if not has_secret():
        raise WebhookSecretMissingError


def has_valid_secret(owner: Owner) -> bool:
    """Return whether a client has a secret that signs its webhooks."""
    (has_secret,) = fetch_all(_SIGNS, {"client": owner.id})
    return has_secret


def expect(owner: Owner, urls: Mapping[UUID, str]) -> None:
    """Register one webhook per job, sent when the job ends. Requires the transaction that stores the jobs.

    It holds what the submitter may read: a token that may only submit learns nothing by choosing an address.
    """
    values = {"jobs": list(urls), "urls": list(urls.values()), "ended": sorted(TERMINAL)}
    execute(_EXPECT, {**values, "discloses": owner.may(Scope.READ)})


def expect_again(jobs: Sequence[UUID]) -> None:
    """Register the webhooks of replayed jobs again, for their next ends. Requires a transaction."""
    execute(_EXPECT_AGAIN, {"jobs": list(jobs)})


def send_again(*, job_id: UUID, actor: str) -> None:
    """Send a job's webhook again, now; WrongStateError where the job has not ended."""
    with transaction.atomic():
        if execute(_SEND, {"job": job_id}):
            note(AuditKind.WEBHOOK_SEND, actor=actor, job=job_id)
            return
        (exists,) = execute(_EXISTS, {"job": job_id})
    if not exists:
        raise JobNotFoundError("There is no such webhook.")
    raise WrongStateError("The job has not ended: there is nothing to send yet.")


@transaction.atomic
def enable(*, endpoint_id: int, actor: str) -> bool:
    """Enable an address that answered 410, and return whether it was disabled."""
    row = DisabledEndpoint.objects.filter(pk=endpoint_id).first()
    if row is None:
        return False
    row.delete()
    note(AuditKind.WEBHOOK_ENABLE, actor=actor, client=row.client_id, endpoint=endpoint_id)
    return True
