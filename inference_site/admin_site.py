"""The admin's site: who may enter, and the form that lets people in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path

from inference_site.admin_sections import by_section, described, navigation
from jobs.services.access.second_factor import is_needed, verified_device


class LoginForm(AdminAuthenticationForm):
    """Name, password and code, asked for at once: no answer reveals which of them was wrong."""

    code = forms.CharField(
        required=False,
        max_length=16,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
        help_text="Of your authenticator, or one of your recovery codes; empty if you have none.",
    )

    def clean(self) -> dict[str, Any]:
        """Check name and password, then the code, where one is needed."""
        cleaned = super().clean()
        user = self.get_user()
        if user is not None and is_needed(user):
            self._check_code(user)
        return cleaned

    def _check_code(self, user: Any) -> None:
        user.otp_device = verified_device(user, self.cleaned_data.get("code", ""))
        if user.otp_device is None:
            # A wrong code counts as a wrong password does: towards the lockout, and in the audit.
            credentials = {"username": user.get_username()}
            user_login_failed.send(sender=__name__, credentials=credentials, request=self.request)
            self.user_cache = None
            raise self.get_invalid_login_error()


class PlatformAdminSite(AdminSite):
    """The admin: staff only, and with a second factor where one is needed."""

    login_form = LoginForm
    login_template = "admin/login_with_code.html"
    index_template = "admin/jobs/operations/index.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the user is staff, and the session verified where a second factor is needed."""
        return super().has_permission(request) and _is_verified(request.user)

    def get_urls(self) -> list[Any]:
        """Return the live page's address before those of the tables."""
        return [path("operations/", self.admin_view(_live_page), name="operations"), *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show what is red above the tables."""
        from inference_site.newest_reading import newest_reading
        from jobs.admin.operations.index_red import red_on_index

        red = red_on_index(request, newest=newest_reading)
        return super().index(request, {"operations": red, **(extra_context or {})})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the index's sections, with Flower's where its address is known; of one app its models."""
        apps = super().get_app_list(request, app_label)
        if app_label is None:
            sections, url = by_section(apps), settings.INFERENCE.flower_url
            return [*sections, _flower(url)] if sections and url else sections
        return [{**app, "models": described(app["models"])} for app in apps]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what every page shows: with the links on top of it."""
        context = super().each_context(request)
        return context | {"navigation": navigation(context["available_apps"], request.path)}


def _live_page(request: HttpRequest) -> HttpResponse:
    from inference_site.newest_reading import newest_reading  # its models need the apps, which need this site
    from jobs.admin.operations.live_page import live_page

    return live_page(request, newest=newest_reading)


def _flower(url: str) -> dict[str, Any]:
    tasks = {"name": "Tasks and workers in Flower", "object_name": "Flower", "admin_url": f"{url}/tasks"}
    row: dict[str, Any] = {**tasks, "model": None, "perms": {}, "add_url": None, "view_only": True}
    row["about"] = "What Celery's events say: tasks, workers, and the queues of the broker."
    app = {"name": "Celery", "app_label": "celery", "app_url": url, "has_module_perms": True}
    return {**app, "models": [row]}


def _is_verified(user: Any) -> bool:
    return bool(user.is_verified()) or not is_needed(user)
