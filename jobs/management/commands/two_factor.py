"""`manage.py two_factor USER`: gives a user of the admin a second factor and shows it once."""

from argparse import ArgumentParser
from io import StringIO
from typing import Any

import segno
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from jobs.services.access.second_factor import enrol, remove_factor
from models_registry.management.actor import actor


class Command(BaseCommand):
    help = "Give a user of the admin a new second factor and print it; an earlier one ends."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="the user's name")
        parser.add_argument("--remove", action="store_true", help="take the second factor away instead")

    def handle(self, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError("there is no such user")
        if options["remove"]:
            removed = remove_factor(user=user, actor=actor())
            self.stdout.write("Removed." if removed else "The user has no second factor.")
            return
        made = enrol(user=user, actor=actor())
        self.stdout.write("Scan this with an authenticator, or type its secret:\n")
        picture = StringIO()
        segno.make(made.uri).terminal(out=picture, compact=True)
        self.stdout.write(picture.getvalue())
        self.stdout.write(made.uri)
        self.stdout.write("\nRecovery codes, each works once:\n" + "\n".join(made.recovery_codes))
