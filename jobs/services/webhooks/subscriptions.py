"""What becomes of a job's webhook: expected with the job, once more with a replay, or sent by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString
from uuid import UUID

from django.conf import settings
from django.db import transaction

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.errors import JobNotFoundError, WebhookSecretMissingError, WrongStateError
from jobs.core.states import TERMINAL
from jobs.core.webhooks.url import endpoint
from jobs.db.positional import execute, fetch_all
from jobs.models import DisabledEndpoint
from jobs.services.access.audit import note
from jobs.services.access.owner import Owner

_SIGNS: LiteralString = """
SELECT EXISTS (SELECT FROM jobs_webhooksecret
  WHERE client_id = %s AND (expires_at IS NULL OR expires_at > now()))
"""
# A job that the cache answered has ended already.
_EXPECT: LiteralString = """
INSERT INTO jobs_delivery (job_id, client_id, url, epoch, due)
SELECT job.id, job.client_id, given.url, job.epoch, CASE WHEN job.state = ANY(%(ended)s) THEN now() END
FROM unnest(%(jobs)s::uuid[], %(urls)s::text[]) AS given(id, url) JOIN jobs_job job USING (id)
ON CONFLICT (job_id) DO NOTHING
"""
_AGAIN: LiteralString = """
UPDATE jobs_delivery SET state = 'waiting', due = NULL, sent = 0, before = attempts, finished_at = NULL
WHERE job_id = ANY(%s)
"""
_SEND: LiteralString = """
UPDATE jobs_delivery SET state = 'waiting', due = now(), sent = 0, before = attempts, finished_at = NULL
WHERE job_id = %s AND (due IS NOT NULL OR state <> 'waiting') RETURNING job_id
"""
_THERE: LiteralString = "SELECT EXISTS (SELECT FROM jobs_delivery WHERE job_id = %s)"


def check_callback(owner: Owner, url: str | None) -> None:
    """Refuse an address that is not called, or a client whose webhooks could not be signed."""
    if url is None:
        return
    endpoint(url, internal_hosts=settings.INFERENCE.webhook_internal_hosts)
    ((has_one,),) = fetch_all(_SIGNS, (owner.id,))
    if not has_one:
        raise WebhookSecretMissingError


def expect(urls: Mapping[UUID, str]) -> None:
    """Have the ends of jobs told to these addresses. Requires the transaction that stored the jobs."""
    values = {"jobs": list(urls), "urls": list(urls.values()), "ended": sorted(TERMINAL)}
    execute(_EXPECT, values)


def expect_again(jobs: Sequence[UUID]) -> None:
    """Have the next ends of replayed jobs told where the last ones were. Requires a transaction."""
    execute(_AGAIN, (list(jobs),))


def send_again(*, job_id: UUID, actor: str) -> None:
    """Have a job's webhook sent now, whatever became of it; WrongStateError where the job has not ended."""
    with transaction.atomic():
        if execute(_SEND, (job_id,)):
            note(AuditKind.WEBHOOK_SEND, actor=actor, job=job_id)
            return
        ((there,),) = execute(_THERE, (job_id,))
    if not there:
        raise JobNotFoundError("There is no such webhook.")
    raise WrongStateError("The job has not ended: there is nothing to tell yet.")


@transaction.atomic
def enable(*, endpoint_id: int, actor: str) -> bool:
    """Send to an address again that wanted no more, and say whether it was disabled."""
    row = DisabledEndpoint.objects.filter(pk=endpoint_id).first()
    if row is None:
        return False
    row.delete()
    note(AuditKind.WEBHOOK_ENABLE, actor=actor, client=row.client_id, endpoint=endpoint_id)
    return True
