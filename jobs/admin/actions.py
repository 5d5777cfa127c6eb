"""Actions on the selected rows: one call of a service for each, and one message for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest

from jobs.core.errors import PlatformError
from models_registry.shared.admin_readonly import ReadOnlyAdmin


class JobService(Protocol):
    """A service that changes one job on behalf of `actor`."""

    def __call__(self, *, job_id: UUID, actor: str) -> Any:
        """Change the job; a PlatformError where that is refused."""


def act_on(admin: ReadOnlyAdmin, request: HttpRequest, service: JobService, done: str) -> None:
    """Call `service` for each selected job as the signed-in user, and show a message with the counts."""
    refused = Counter[str]()
    ids = list(selected(request))
    for job_id in ids:
        try:
            service(job_id=job_id, actor=request.user.get_username())
        except PlatformError as error:
            refused[str(error)] += 1
    if succeeded := len(ids) - refused.total():
        admin.message_user(request, f"{succeeded} of {len(ids)} {done}.", messages.SUCCESS)
    for reason, count in refused.items():
        admin.message_user(request, f"{count} not {done}: {reason}", messages.WARNING)


def selected(request: HttpRequest) -> Iterator[UUID]:
    """Yield the ids that are ticked on the page; ignore values that are no UUIDs."""
    for text in request.POST.getlist(ACTION_CHECKBOX_NAME):
        try:
            yield UUID(text)
        except ValueError:
            continue
