"""The call by which an app replaces its own token: the new one is shown to the app alone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import HttpResponse
from ninja import Query, Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, BearerToken
from jobs.api.responses import json_answer
from jobs.api.router import router
from jobs.services.access.tokens import public_view, rotate_token

MOST_GRACE_HOURS = 24.0


class RotatedTokenSchema(Schema):
    """The successor of the call's token, shown only now; it has the same scopes and lifetime."""

    token: str = Field(description="The new bearer token.")
    prefix: str = Field(description="Its first characters, by which operators know it.")
    scopes: list[str]
    expires_at: datetime | None = Field(description="When it ends; null: only when it is revoked.")


@router.post(
    "/token/rotate",
    operation_id="rotateToken",
    response={200: RotatedTokenSchema},
    summary="Replace your token",
    auth=BearerToken(),
)
def rotate(
    request: ApiRequest, grace_hours: Annotated[float, Query(ge=0, le=MOST_GRACE_HOURS)] = 1.0
) -> HttpResponse:
    """Return the successor of the token that this call is sent with; the old one ends after `grace_hours`.

    A token can be rotated once: 409 after that. Where the answer was lost, ask an operator for a new one.
    """
    owner = request.auth
    token = rotate_token(token_id=owner.token, actor=owner.actor, grace_hours=grace_hours)
    return json_answer({"token": token, **public_view(token)})
