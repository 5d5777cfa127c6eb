"""The calls of the load, drawn from a seeded chance. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from tests.chaos.records import ANY, COMPARED, FINE, POISON

BULK = {
    "echo": (20, 120), "echo:faulty": (20, 60), "sleeper": (20, 120), "sleeper:slow": (20, 60),
    "sleeper:shared": (20, 60), "minilm": (4, 12), "echo@rolled": (20, 120), COMPARED: (20, 60),
    "echo@shadowed": (20, 120), "echo@cascaded": (20, 120),
}  # fmt: skip
SINGLES = {
    "echo": 4, "sleeper": 3, "sleeper:slow": 1, "sleeper:shared": 1, "minilm": 2, "echo:faulty": 1,
    "echo@rolled": 2, COMPARED: 2, "echo@shadowed": 2, "echo@cascaded": 2,
}  # fmt: skip
BULKS = {
    "echo": 4, "sleeper": 4, "sleeper:slow": 4, "sleeper:shared": 2, "minilm": 1, "echo:faulty": 1,
    "echo@rolled": 3, COMPARED: 1, "echo@shadowed": 3, "echo@cascaded": 3,
}  # fmt: skip
BULK_SHARE, HURRIED_SHARE, CANCEL_SHARE, REPLAY_SHARE, POISON_SHARE = 0.55, 0.06, 0.06, 0.3, 0.06
FEEDBACK_SHARE = 0.5
ALIKE = 40  # so few different inputs that identical ones meet while they run
POISONS = ({"fail": "raise"}, {"fail": "invalid"}, {"fail": "retry"}, {"fail": "memory"}, {"answer": "nan"})
WORDS = (
    "the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "while", "seven", "grey", "clouds",
    "drift", "past", "an", "old", "stone", "mill",
)  # fmt: skip


@dataclass(frozen=True)
class Call:
    """One POST: its jobs, their expected ends, and whether one is cancelled, replayed or rated afterwards."""

    model: str
    jobs: list[dict[str, Any]]
    expects: list[str]
    hurried: bool = False
    cancel: bool = False
    replay: bool = False
    feedback: bool = False

    @property
    def bulk(self) -> bool:
        return len(self.jobs) > 1


def draw(chance: random.Random) -> Call:
    """Return the next call."""
    bulk = chance.random() < BULK_SHARE
    table = BULKS if bulk else SINGLES
    (model,) = chance.choices(list(table), list(table.values()))
    hurried = not bulk and chance.random() < HURRIED_SHARE
    pairs = [_job(chance, model) for _ in range(chance.randint(*BULK[model]) if bulk else 1)]
    jobs = [{"model": model, "input": value, "priority": chance.randrange(10)} for value, _ in pairs]
    if hurried:
        jobs = [job | {"deadline_s": round(chance.uniform(0.05, 20.0), 3)} for job in jobs]
    cancel, replay = chance.random() < CANCEL_SHARE, chance.random() < REPLAY_SHARE
    feedback = model == COMPARED and chance.random() < FEEDBACK_SHARE
    expects = [ANY if hurried else expect for _, expect in pairs]
    return Call(model, jobs, expects, hurried, cancel, replay, feedback)


def _job(chance: random.Random, model: str) -> tuple[dict[str, Any], str]:
    if model == "echo:faulty" and chance.random() < POISON_SHARE:
        return chance.choice(POISONS), POISON
    if model == "minilm":
        return {"text": " ".join(chance.choices(WORDS, k=chance.randint(3, 12)))}, FINE
    return {"n": chance.randrange(ALIKE) if model == "sleeper:shared" else chance.getrandbits(32)}, FINE
