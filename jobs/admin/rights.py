"""Three rights, each on its own: to look at jobs, to see what they were asked and answered, and to act."""

from __future__ import annotations

from django.http import HttpRequest

HIDDEN = "Only who has the permission “Can see what jobs were asked and answered” sees this."


def may_see(request: HttpRequest) -> bool:
    """Say whether this user may see what jobs were asked and answered, or what failures quote of it."""
    return bool(request.user.has_perm("jobs.view_payload"))


def may_act(request: HttpRequest) -> bool:
    """Say whether this user may cancel and replay jobs."""
    return bool(request.user.has_perm("jobs.change_job"))


def may_change_tokens(request: HttpRequest) -> bool:
    """Say whether this user may rotate and revoke tokens."""
    return bool(request.user.has_perm("jobs.change_apitoken"))
