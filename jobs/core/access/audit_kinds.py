"""The kinds of audited acts of people and clients; events of failed attempts are not among them."""

from __future__ import annotations

from enum import StrEnum


class AuditKind(StrEnum):
    """The kind of an audited Event; its detail holds ids, counts and names, never a payload."""

    SUBMIT = "submit"
    VIEW_PAYLOAD = "view_payload"
    CANCEL = "cancel"
    REPLAY = "replay"
    DISCARD = "discard"
    PURGE = "purge"
    BULK_ACT = "bulk_act"
    ERASE = "erase"
    ERASE_SUBJECT = "erase_subject"
    FORGET = "forget"
    DELETE = "delete"
    UPLOAD = "upload"
    REGISTRY = "registry"
    ROLLOUT = "rollout"
    DRIFT = "drift"
    PURGE_CACHE = "purge_cache"
    SHADOW = "shadow"
    CIRCUIT = "circuit"
    PAUSE = "pause"
    RESUME = "resume"
    WEBHOOK_SEND = "webhook_send"
    WEBHOOK_ENABLE = "webhook_enable"
    WEBHOOK_SECRET = "webhook_secret"  # noqa: S105  # a kind of event
    ROTATE_KEYS = "rotate_keys"
    MODEL_ORDER = "model_order"
    QUOTA_CHANGE = "quota_change"
    ROLE_CREATE = "role_create"
    ROLE_DROP = "role_drop"
    TOKEN_CREATE = "token_create"  # noqa: S105  # a kind of event
    TOKEN_ROTATE = "token_rotate"  # noqa: S105
    TOKEN_REVOKE = "token_revoke"  # noqa: S105
    TOKEN_END = "token_end"  # noqa: S105
    CLIENT_MODELS = "client_models"
    LOGIN = "login"
    LOGIN_REFUSED = "login_refused"
    LOGIN_LOCKED = "login_locked"
    LOGOUT = "logout"
    ACCESS_REFUSED = "access_refused"
    TWO_FACTOR = "two_factor"
    USER_CHANGE = "user_change"


KINDS = frozenset(kind.value for kind in AuditKind)
# Parts of a failed or rerouted attempt that hold no payload; its message may quote the input.
FAILED_SHOWN = (
    "kind", "code", "batch", "worker", "attempt", "delay_s", "reason", "from", "to", "rollout", "leader",
)  # fmt: skip


def without_payload(kind: str, detail: dict[str, object]) -> dict[str, object]:
    """Return the part of an Event's detail that users without the right to see payloads may see."""
    return detail if kind in KINDS else {name: detail[name] for name in FAILED_SHOWN if name in detail}
