"""Separate permissions: to look at jobs, to see their payloads, to act on them, and to see the live page."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from jobs.core.errors import PlatformError
from models_registry.shared.admin_readonly import ReadOnlyAdmin

HIDDEN = "Only users with the permission “Can see what jobs were asked and answered” see this."


def may_see(request: HttpRequest) -> bool:
    """Return whether this user may see inputs and outputs of jobs, and failures that may quote them."""
    return bool(request.user.has_perm("jobs.view_payload"))


def may_act(request: HttpRequest) -> bool:
    """Return whether this user may cancel and replay jobs."""
    return bool(request.user.has_perm("jobs.change_job"))


def may_watch(request: HttpRequest) -> bool:
    """Return whether this user may see the live page."""
    return bool(request.user.has_perm("jobs.view_operations"))


def may_change_tokens(request: HttpRequest) -> bool:
    """Return whether this user may end and revoke tokens."""
    return bool(request.user.has_perm("jobs.change_apitoken"))


def may_move(request: HttpRequest) -> bool:
    """Return whether this user may move aliases."""
    return bool(request.user.has_perm("models_registry.move_alias"))


def may_roll_out(request: HttpRequest) -> bool:
    """Return whether this user may start and steer roll-outs."""
    return bool(request.user.has_perm("models_registry.roll_out"))


def may_approve(request: HttpRequest) -> bool:
    """Return whether this user may approve the roll-outs of others."""
    return bool(request.user.has_perm("models_registry.approve"))


def may_block(request: HttpRequest) -> bool:
    """Return whether this user may stage, retire, block and unblock versions."""
    return bool(request.user.has_perm("models_registry.block"))


def act_on_job(
    request: HttpRequest, admin: ReadOnlyAdmin, job: UUID, service: Callable[..., object], done: str
) -> bool:
    """Let a service act on one job, if the user may; show `done` or its error, and return whether it did."""
    require(admin, request, can=may_act(request))
    try:
        service(job_id=job, actor=request.user.get_username())
    except PlatformError as error:
        messages.error(request, str(error))
        return False
    messages.success(request, done)
    return True


def require(admin: ReadOnlyAdmin, request: HttpRequest, *, can: bool) -> None:
    """Raise PermissionDenied unless the user may view these rows and holds the permission in question."""
    if not (can and admin.has_view_permission(request)):
        raise PermissionDenied
