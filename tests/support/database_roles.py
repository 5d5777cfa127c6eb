"""The roles that production has, in the database of this test run."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from jobs.core.access.database_rights import RUNTIME_LOGINS, DatabaseRole
from jobs.services.access.database_roles import create_roles

PASSWORDS = {DatabaseRole.OWNER: "an owner's word", DatabaseRole.RUNTIME: "a runtime's word"}


def make_roles() -> dict[DatabaseRole, str]:
    """Create the roles, and return the database's URL of each that may log in."""
    create_roles(
        owner_password=PASSWORDS[DatabaseRole.OWNER],
        runtime_passwords=(PASSWORDS[DatabaseRole.RUNTIME], ""),
    )
    return {role: url_of(role) for role in PASSWORDS}


def url_of(role: DatabaseRole) -> str:
    parts = urlsplit(os.environ["DATABASE_URL"])
    name = RUNTIME_LOGINS[0] if role is DatabaseRole.RUNTIME else role
    login = f"{name}:{PASSWORDS[role].replace(' ', '%20').replace(chr(39), '%27')}"
    return parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}").geturl()
