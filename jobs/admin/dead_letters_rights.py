"""Three rights: to look at dead letters, to see what jobs were asked, and to act."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from models_registry.admin.readonly import ReadOnlyAdmin


def may_act(request: HttpRequest) -> bool:
    """Say whether this user may replay and discard."""
    return bool(request.user.has_perm("jobs.change_job"))


def may_see(request: HttpRequest) -> bool:
    """Say whether this user may see what jobs were asked."""
    return bool(request.user.has_perm("jobs.view_payload"))


def allow(admin: ReadOnlyAdmin, request: HttpRequest, *, can: bool) -> None:
    """Refuse who may not look at letters at all, or not do this: PermissionDenied."""
    if not (can and admin.has_view_permission(request)):
        raise PermissionDenied
