"""What answered for each alias at a moment, and who had decided it: by its rule, or by its last move."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError

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

    def clean_at(self) -> datetime | None:
        """Return the moment in UTC; ValidationError before year 1 or after year 9999."""
        at: datetime | None = self.cleaned_data["at"]
        if at is None:
            return None
        try:
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except OverflowError:
            raise ValidationError("A moment is in the years 1 to 9999 of UTC.") from None

    @property
    def moment(self) -> datetime | None:
        """Return the moment; None where there is none, or none that can be read."""
        return self.cleaned_data["at"] if self.is_valid() else None


class AnswerRow(NamedTuple):
    """What an alias stood for: the document of its rule, of which a move has only the stable version.

    `rule` and `number` are of the rule that said so; None where the alias had none, and a move said it.
    """

    model: str
    alias: str
    document: dict[str, Any]
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
  SELECT model, alias, document, id AS rule, number, rollout, actor, reason, at
  FROM (
    SELECT DISTINCT ON (model, alias) * FROM models_registry_rule
    WHERE at <= %(at)s AND (%(model)s::text = '' OR model = %(model)s)
    ORDER BY model, alias, number DESC
  ) rules
  UNION ALL
  SELECT model, alias, jsonb_build_object('stable', after), NULL, NULL, NULL, actor, reason, at
  FROM (
    SELECT DISTINCT ON (model, alias) * FROM models_registry_promotion
    WHERE at <= %(at)s AND (%(model)s::text = '' OR model = %(model)s)
    ORDER BY model, alias, id DESC
  ) moves
)
SELECT DISTINCT ON (model, alias) model, alias, document, rule, number, rollout, actor, reason, at
FROM decided ORDER BY model, alias, at DESC, number DESC NULLS LAST LIMIT %(most)s
""",
    AnswerRow,
)


def answered_at(at: datetime, model: str = "") -> Sequence[AnswerRow]:
    """Return what answered for the aliases of a model, or of all, at a moment, by model and alias."""
    return fetch_all(_ANSWERS, {"at": at, "model": model, "most": MOST_ALIASES})
