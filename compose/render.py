#!/usr/bin/env python3
"""Write what the containers read from `.env`: the broker's users, and each process's URLs.

Run it once before the first start, and again after each change of a password. It needs Python's standard
library alone. `.env` is read as text, never run. In URLs the values are percent-encoded: passwords with `@`,
`/`, `$` or spaces work. Docker Compose reads the same file by rules of its own: a line that it would read in
another way is refused, and so is a value that still is the example's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).resolve().parent
LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
PLACEHOLDER = "change-me"
REQUIRED = (
    "SECRET_KEY", "PII_KEY", "POSTGRES_PASSWORD", "DATABASE_OWNER_PASSWORD", "DATABASE_RUNTIME_PASSWORD",
    "FLOWER_BASIC_AUTH", "API_URL", "STREAM_URL", "ALLOWED_HOSTS",
)  # fmt: skip
# Roles of the database and the variables with their passwords. Every process but these two runs as the last.
SUPERUSER, OWNER, RUNTIME = "inference", "inference_owner", "inference_runtime"
LOGINS = {
    SUPERUSER: "POSTGRES_PASSWORD", OWNER: "DATABASE_OWNER_PASSWORD", RUNTIME: "DATABASE_RUNTIME_PASSWORD",
}  # fmt: skip
NO_DATABASE = {"beat", "monitor"}  # users of the broker whose processes read and write no row


class EnvFileError(Exception):
    """A line or a value of `.env` that cannot be used."""


def read_env(text: str) -> dict[str, str]:
    """Return the variables of an `.env` file; EnvFileError, which names the line and quotes no value."""
    values = dict[str, str]()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = LINE.fullmatch(stripped)
        if match is None:
            raise EnvFileError(f"line {number} is not NAME=value")
        values[match[1]] = _value(match[1], match[2], number)
    return values


def _value(name: str, text: str, number: int) -> str:
    quoted = re.fullmatch(r"(['\"])(.*)\1\s*(?:#.*)?", text)
    plain = quoted[2] if quoted else re.split(r"\s#", text)[0].strip()
    if quoted and quoted[1] in plain:
        raise EnvFileError(f"line {number}: {name} has a quote of its own kind inside; use the other kind")
    if quoted and quoted[1] == "'":
        return plain
    if "$" in plain or "\\" in plain or (not quoted and plain[:1] in {"'", '"'}):
        raise EnvFileError(
            f"line {number}: put {name} in single quotes, because of its $, backslash or quote"
        )
    return plain


def check(values: Mapping[str, str], users: list[str]) -> None:
    """Raise EnvFileError where a value is missing or was not changed."""
    needed = [*REQUIRED, *(password_of(user) for user in users)]
    if missing := [name for name in needed if not values.get(name)]:
        raise EnvFileError(f".env has no {', '.join(missing)}")
    if same := [name for name, value in values.items() if PLACEHOLDER in value]:
        raise EnvFileError(f"change these, which still have the example's value: {', '.join(same)}")


def password_of(user: str) -> str:
    """Return the variable with the password of a user of the broker."""
    return f"{user.upper().replace('-', '_')}_PASSWORD"


def definitions(template: Mapping[str, object], values: Mapping[str, str]) -> str:
    """Return RabbitMQ's definitions, with the users' passwords hashed as it expects them."""
    whole = json.loads(json.dumps(template))
    for user in whole["users"]:
        user["password_hash"] = _hashed(values[password_of(user["name"])])
    return json.dumps(whole, indent=1)


def _hashed(password: str) -> str:
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def urls(user: str, values: Mapping[str, str], *, role: str = RUNTIME) -> str:
    """Return the URLs of processes that log in to the broker as `user`, and to the database as `role`."""
    lines = list[str]()
    if user not in NO_DATABASE:
        word = quote(values[LOGINS[role]], safe="")
        lines.append(f"DATABASE_URL=postgresql://{role}:{word}@postgres:5432/inference")
    if user:
        lines.append(f"BROKER_URL=amqp://{user}:{quote(values[password_of(user)], safe='')}@rabbitmq:5672//")
    return "".join(f"{line}\n" for line in lines)


def main(folder: Path = HERE) -> None:
    """Write definitions.json and the files under urls/, which only their owner can read."""
    template = json.loads((HERE / "definitions.template.json").read_text())
    users = [user["name"] for user in template["users"]]
    values = read_env((folder / ".env").read_text())
    check(values, users)
    os.umask(0o077)
    (folder / "urls").mkdir(exist_ok=True)
    for user in ["", *users]:
        (folder / "urls" / f"{user or 'nobody'}.env").write_text(urls(user, values))
    for name, role in (("database-roles", SUPERUSER), ("migrate", OWNER)):
        (folder / "urls" / f"{name}.env").write_text(urls("", values, role=role))
    (folder / "definitions.json").write_text(definitions(template, values))
    # The broker's container runs as another user, which has to read the file.
    (folder / "definitions.json").chmod(0o644)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]) if sys.argv[1:] else HERE)
    except (EnvFileError, FileNotFoundError) as error:
        sys.exit(f"render: {error}")
