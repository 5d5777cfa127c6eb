"""The change record of a roll-out: who, why, ticket, gate, evidence at each step, exposure, approvals."""

from __future__ import annotations

from typing import Any

from jobs.models import Trial, TrialKind
from jobs.services.rollouts.reads import PointView, points, rollout_view, rules_of

_SHOWN = ("state", "hold", "step", "share_ppm", "met", "budget", "proven", "deaths", "sentence", "numbers")
_WHO = ("actor", "reason", "anyway", "before", "after", "held", "why")


def record(rollout_id: int) -> dict[str, Any]:
    """Return a roll-out's change record as JSON; times are ISO 8601; RolloutNotFoundError."""
    view = rollout_view(rollout_id)
    acts = [point for point in points(rollout_id) if point.act]
    rules = [rule for rule in rules_of(view.model, view.alias, most=10_000) if rule.rollout == view.id]
    return {
        "rollout": view.id,
        "model": view.model,
        "alias": view.alias,
        "stable": view.stable,
        "candidate": view.candidate,
        "state": view.state,
        "sentence": view.sentence,
        "by": {"actor": view.actor, "reason": view.reason, "ticket": view.ticket},
        "created_at": view.created_at.isoformat(),
        "ended_at": view.ended_at.isoformat() if view.ended_at else None,
        "plan": view.plan,
        "sha256": view.sha256,
        "approvals": {"required": view.approvals_required, "given": view.approvals},
        "gate": _gate(rollout_id),
        "exposure": {"met": view.met, "budget": view.budget, "proven": view.proven},
        "acts": [_act(point) for point in acts],
        "rules": [
            {"number": rule.number, "at": rule.at.isoformat(), **_shares(rule.document)}
            for rule in reversed(rules)
        ],
        "numbers": view.numbers,
    }


def record_markdown(rollout_id: int) -> str:
    """Return the change record as Markdown; RolloutNotFoundError."""
    made = record(rollout_id)
    by, exposure, given = made["by"], made["exposure"], made["approvals"]["given"]
    names = [f"{one['actor']} ({one['at']})" for one in given] or ["none"]
    proven = "proven" if exposure["proven"] else "not proven"
    lines = [
        f"# Roll-out {made['rollout']}: {made['model']}:{_cell(made['candidate'])} at `{made['alias']}`",
        "",
        f"**{made['state']}**. {_cell(made['sentence'])}",
        "",
        "| | |",
        "|---|---|",
        f"| From | {made['model']}:{made['stable']} |",
        f"| Started by | {_cell(by['actor'])}, {made['created_at']} |",
        f"| Reason | {_cell(by['reason']) or 'none given'} |",
        f"| Ticket | {_cell(by['ticket']) or 'none'} |",
        f"| Ended | {made['ended_at'] or 'no'} |",
        f"| Approvals | {made['approvals']['required']} required; {_cell(', '.join(names))} |",
        f"| Plan | `{made['sha256']}` |",
        f"| Gate | {_cell(made['gate']['outcome']) if made['gate'] else 'not run'} |",
        f"| Exposure | {exposure['met']:,} jobs met, budget {exposure['budget']:,}, {proven} |",
        "",
        "## Acts",
        "",
        "| At | Act | By | Share | Met | Evidence | Why |",
        "|---|---|---|---|---|---|---|",
        *(_line(act) for act in made["acts"]),
        "",
    ]
    return "\n".join(lines)


def _act(point: PointView) -> dict[str, Any]:
    named = {name: point.document[name] for name in (*_WHO, *_SHOWN) if name in point.document}
    return {"at": point.at.isoformat(), "act": point.act, **named}


def _gate(rollout_id: int) -> dict[str, Any] | None:
    rows = Trial.objects.filter(rollout=rollout_id, kind=TrialKind.GATE).order_by("-id")
    row = rows.values("id", "state", "outcome", "report", "ended_at").first()
    if row is None:
        return None
    return {**row, "ended_at": row["ended_at"].isoformat() if row["ended_at"] else None}


def _shares(document: dict[str, Any]) -> dict[str, Any]:
    return {name: document.get(name) for name in ("stable", "candidate", "share")}


def _line(act: dict[str, Any]) -> str:
    numbers = act.get("numbers", {})
    tests = sorted(name for name in numbers if name.startswith("e_"))
    found = ", ".join(f"{name} = {numbers[name]:.3g}" for name in tests)
    cells = (
        act["at"], act["act"], act.get("actor", ""), f"{act['share_ppm'] / 10_000:g} %",
        f"{act['met']:,}", found, act.get("reason") or act.get("sentence", ""),
    )  # fmt: skip
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    """Return a text that stays within its cell, whatever a person wrote."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
