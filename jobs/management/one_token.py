"""The token that a command is about: named by its id, or by its prefix and client, never by itself."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from jobs.models import ApiToken


def add_token(parser: ArgumentParser) -> None:
    """Add the arguments that name a token."""
    parser.add_argument("token", help="its id, or its first characters, both of which the admin shows")
    parser.add_argument("--client", help="the client's name, where several tokens begin alike")


def token_of(options: dict[str, Any]) -> int:
    """Return the row id of the one token that the options name, or CommandError."""
    named, rows = options["token"], ApiToken.objects.all()
    rows = rows.filter(pk=int(named)) if named.isdecimal() else rows.filter(prefix=named.rstrip("…"))
    if options["client"]:
        rows = rows.filter(client__name=options["client"])
    ids = list(rows.values_list("pk", flat=True)[:2])
    if len(ids) != 1:
        raise CommandError(f"{'several tokens are' if ids else 'no token is'} {named!r}")
    return ids[0]
