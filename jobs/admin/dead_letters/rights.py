"""Who is let in to do something about dead letters."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from models_registry.admin.readonly import ReadOnlyAdmin


def allow(admin: ReadOnlyAdmin, request: HttpRequest, *, can: bool) -> None:
    """Refuse who may not look at letters at all, or not do this: PermissionDenied."""
    if not (can and admin.has_view_permission(request)):
        raise PermissionDenied
