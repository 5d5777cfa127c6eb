"""The admin's users and groups: superusers alone see and change them, and each change is an Event.

With Django's own right `auth.change_user` a member of staff may make anybody a superuser, or set a
superuser's password. So that right opens nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from jobs.core.access.audit_kinds import AuditKind
from jobs.services.access.audit import note

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = object

for model in (User, Group, TOTPDevice, StaticDevice):  # no page shows the secrets of second factors
    admin.site.unregister(model)


class SuperusersOnly(ModelAdmin):
    """Pages for superusers, whose changes are audited."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the user is a superuser."""
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """Return whether the user is a superuser."""
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether the user is a superuser."""
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """Return whether the user is a superuser."""
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """Return whether the user is a superuser."""
        return self.has_module_permission(request)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Audit a new row, too."""
        _note(request, obj, "add", message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Audit a change, too; the message names the changed fields, not their values."""
        _note(request, obj, "change", message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Audit each deleted row, too."""
        for obj in queryset:
            _note(request, obj, "delete", "")
        return super().log_deletions(request, queryset)


@admin.register(User)
class PersonAdmin(SuperusersOnly, UserAdmin):  # type: ignore[type-arg]  # generic in its stubs alone
    """A user of the admin."""


@admin.register(Group)
class PersonGroupAdmin(SuperusersOnly, GroupAdmin):
    """A group of users, and its rights."""


def _note(request: HttpRequest, obj: Any, act: str, message: Any) -> None:
    fields = {"of": type(obj).__name__.lower(), "name": str(obj), "act": act, "message": message}
    note(AuditKind.USER_CHANGE, actor=request.user.get_username(), **fields)
