"""What the commands that pause and resume have in common."""

from __future__ import annotations

from argparse import ArgumentParser

from jobs.core.circuits.paused_work import PauseKind


def add_target(parser: ArgumentParser) -> None:
    """Declare what is meant: a kind and a name."""
    kinds = [kind.value for kind in PauseKind]
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("name", help="a model, name:version, or a client")
