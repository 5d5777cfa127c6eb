"""Why an autoscaler is to have its number of workers, in a sentence for its page. Pure."""

from __future__ import annotations

from dataclasses import dataclass

BLIND = "The relay has not counted lately: what runs goes on, and nothing is started or drained."


@dataclass(frozen=True, slots=True)
class ScaleGround:
    """What a decision rests on.

    | field | meaning |
    |---|---|
    | `needed` | workers that the models need |
    | `unscaled` | live workers of theirs that no autoscaler has started |
    | `hosts`, `total` | autoscalers that share the rest, and how many workers they are to have together |
    | `lowest`, `highest`, `usable` | this host's bounds, and how many workers it could have now |
    | `target` | workers that this host is to have |
    """

    needed: int
    unscaled: int
    hosts: int
    total: int
    lowest: int
    highest: int
    usable: int
    target: int

    @property
    def reason(self) -> str:
        """Return the need, who shares it, and the bound that holds where one does."""
        parts = [f"The models need {self.needed}"]
        if self.unscaled:
            parts.append(f"{self.unscaled} run without an autoscaler")
        if self.hosts > 1:
            parts.append(f"{self.hosts} hosts share them")
        if bound := self._bound():
            parts.append(bound)
        return f"{', '.join(parts)}."

    def _bound(self) -> str:
        rest = max(0, self.needed - self.unscaled)
        short = self.total < rest
        if self.usable < (self.highest if short else self.lowest):
            return f"only {self.usable} can run here now"
        if short:
            return f"--max is {self.highest}"
        is_kept = self.total > rest and self.target == self.lowest > 0
        return f"--min is {self.lowest}" if is_kept else ""
