"""Finds a command's token by its id, or by its prefix and client: no command line holds a token."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from jobs.models import ApiToken


def add_token(parser: ArgumentParser) -> None:
    """Add the arguments that name a token."""
    parser.add_argument("token", help="the token's id or first characters; the admin shows both")
    parser.add_argument("--client", help="the client's name, if several tokens begin alike")


def token_of(options: dict[str, Any]) -> int:
    """Return the row id of the token; CommandError unless exactly one matches."""
    prefix, rows = options["token"], ApiToken.objects.all()
    rows = rows.filter(pk=int(prefix)) if prefix.isdecimal() else rows.filter(prefix=prefix.rstrip("…"))
    if options["client"]:
        rows = rows.filter(client__name=options["client"])
    ids = list(rows.values_list("pk", flat=True)[:2])
    if len(ids) != 1:
        raise CommandError(f"{'several tokens match' if ids else 'no token matches'} {prefix!r}")
    return ids[0]
