"""What answered for each alias at a moment, and who had decided it: by its rule, or by its last move."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django import forms

from jobs.db.statement import Statement, fetch_all

MOST_ALIASES = 200
UTC_INPUT = "%Y-%m-%dT%H:%M:%S"


class MomentForm(forms.Form):
    """A moment in UTC, and the model that is meant; without one all are."""

    at = forms.DateTimeField(
        label="At (UTC)", required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format=UTC_INPUT),
    )  # fmt: skip
    of = forms.CharField(label="model", required=False, max_length=63)

    @property
    def moment(self) -> datetime | None:
        """Return the moment; None where there is none, or none that can be read."""
        at: datetime | None = self.cleaned_data.get("at") if self.is_valid() else None
        return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


class AnswerRow(NamedTuple):
    """What an alias stood for: `candidate` had `share` of the jobs, or each of `arms` its own.

    `rule` and `number` are of the rule that said so; None where the alias had none, and a move said it.
    """

    model: str
    alias: str
    stable: str
    candidate: str | None
    share: float | None
    arms: list[dict[str, Any]] | None
    rule: int | None
    number: int | None
    rollout: int | None
    actor: str
    reason: str
    at: datetime


# Rules and moves are both only appended; the later of an alias's last ones is what holds.
_ANSWERS = Statement(
    """
WITH decided AS (
  SELECT model, alias, document->>'stable' AS stable, document->>'candidate' AS candidate,
    (document->>'share')::float8 AS share, document->'arms' AS arms,
    id AS rule, number, rollout, actor, reason, at
  FROM (
    SELECT DISTINCT ON (model, alias) * FROM models_registry_rule
    WHERE at <= %(at)s AND (%(model)s::text = '' OR model = %(model)s)
    ORDER BY model, alias, number DESC
  ) rules
  UNION ALL
  SELECT model, alias, after, NULL, NULL, NULL, NULL, NULL, NULL, actor, reason, at
  FROM (
    SELECT DISTINCT ON (model, alias) * FROM models_registry_promotion
    WHERE at <= %(at)s AND (%(model)s::text = '' OR model = %(model)s)
    ORDER BY model, alias, id DESC
  ) moves
)
SELECT DISTINCT ON (model, alias) model, alias, stable, candidate, share, arms, rule, number, rollout, actor,
  reason, at
FROM decided ORDER BY model, alias, at DESC, number DESC NULLS LAST LIMIT %(most)s
""",
    AnswerRow,
)


def answered_at(at: datetime, model: str = "") -> Sequence[AnswerRow]:
    """Return what answered for the aliases of a model, or of all, at a moment, by model and alias."""
    return fetch_all(_ANSWERS, {"at": at, "model": model, "most": MOST_ALIASES})
