"""The arguments of `manage.py rollouts`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Protocol

from jobs.management.dead_letters.dead_letter_arguments import add_actor
from models_registry.core.refs import DEFAULT_ALIAS
from models_registry.core.rollouts.rollout_states import RolloutState
from models_registry.management.json_argument import json_or_file

ACTS = {
    "pause": "Take the candidate's share away until a person resumes.",
    "resume": "Let a held roll-out go on at its step.",
    "promote": "Bring a roll-out to its next step.",
    "roll-back": "Send all traffic back to the stable version, and block the candidate.",
    "cancel": "End a roll-out without blame for its candidate.",
    "approve": "Approve a roll-out's plan: who started it cannot.",
    "budget": "Set how many jobs the candidate may meet in all until it is proven.",
}


class Verbs(Protocol):
    """The subparsers of a command."""

    def add_parser(self, name: str, **how: Any) -> ArgumentParser: ...  # noqa: D102


def add_rollout_arguments(parser: ArgumentParser) -> None:
    """Declare the verbs and their options."""
    names = ("start", "list", "show", *ACTS, "record", "redrive", "watch")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(names))
    _add_start(verbs)
    _add_list(verbs)
    add_json(_one(verbs, "show", "Show how a roll-out stands."))
    for name, text in ACTS.items():
        _add_act(_one(verbs, name, text), name)
    add_json(_one(verbs, "record", "Print the change record, as Markdown unless --json is given."))
    _add_redrive(_one(verbs, "redrive", "Replay what a candidate that was given up has buried."))
    add_json(_one(verbs, "watch", "Print each change until the roll-out has ended."))


def add_json(parser: ArgumentParser) -> None:
    """Declare the option for machines."""
    parser.add_argument("--json", action="store_true", help="Print JSON instead of text.")


def add_why(parser: ArgumentParser) -> None:
    """Declare what an act on what answers for an alias is recorded with."""
    parser.add_argument("--reason", default="", help="Why; it is kept in the record.")
    add_actor(parser)
    add_json(parser)


def _one(verbs: Verbs, name: str, text: str) -> ArgumentParser:
    parser = verbs.add_parser(name, help=text)
    parser.add_argument("rollout", type=int, metavar="ID")
    return parser


def _add_start(verbs: Verbs) -> None:
    start = verbs.add_parser("start", help="Roll out a version of a model.")
    start.add_argument("model")
    start.add_argument("candidate", help="the version, such as 2")
    start.add_argument("--alias", default=DEFAULT_ALIAS, help="default: %(default)s")
    start.add_argument("--plan", type=json_or_file, default={}, help="the plan: JSON, or @file")
    start.add_argument("--ticket", default="", help="Of the change, in another system.")
    add_why(start)


def _add_list(verbs: Verbs) -> None:
    listed = verbs.add_parser("list", help="Show the newest roll-outs.")
    listed.add_argument("--state", choices=[state.value for state in RolloutState])
    listed.add_argument("--model")
    add_json(listed)


def _add_act(parser: ArgumentParser, name: str) -> None:
    if name == "promote":
        parser.add_argument("--anyway", metavar="REASON", help="Go on although evidence is missing.")
    if name == "approve":
        parser.add_argument("--sha256", help="Of the plan that was read: approve no other.")
    if name == "budget":
        parser.add_argument("budget", type=int, metavar="JOBS")
    add_why(parser)


def _add_redrive(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="Replay them; without it they are only counted.")
    add_why(parser)
