"""The one place that says whether jobs may escalate: the switch of operators."""

from __future__ import annotations


def escalation_is_on(*, model: str, client: int) -> bool:
    """Return whether a client's jobs that run at `model` may go to the next steps of their cascades."""
    del model, client  # no switch is wired to it, so escalation is on for all
    return True
