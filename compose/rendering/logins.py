"""How processes log in: the URLs of the database and the broker, and RabbitMQ's definitions of its users."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rendering.login_pair import RUNTIME, RUNTIME_B
from rendering.secret_store import password_of

# Logins of the database by the secrets with their passwords. Every process but two has one of the last two.
LOGINS = {
    "POSTGRES_PASSWORD": "inference",
    "DATABASE_OWNER_PASSWORD": "inference_owner",
    RUNTIME: "inference_runtime_a",
    RUNTIME_B: "inference_runtime_b",
}
REPLICATOR = "replicator"
NODES = (1, 2, 3)
SALT_BYTES = 4


def urls(
    secret: Mapping[str, str], runtime: str, places: Mapping[str, str], users: list[str]
) -> Iterator[tuple[str, str]]:
    """Yield the name of each file with a URL, and the URL; `runtime` is the password that processes take."""
    of_roles = {"superuser": "POSTGRES_PASSWORD", "owner": "DATABASE_OWNER_PASSWORD", "runtime": runtime}
    for name, password in of_roles.items():
        yield f"database-{name}", database_url(LOGINS[password], secret[password], places)
    for user in users:
        yield f"broker-{user}", broker_url(user, secret[password_of(user)], places)


def database_url(role: str, password: str, places: Mapping[str, str]) -> str:
    """Return the URL of the server of the two that takes writes, its certificate and its name checked."""
    hosts = ",".join(
        f"{places[f'{server}_HOST']}:{places[f'{server}_PORT']}" for server in ("POSTGRES", "REPLICA")
    )
    ca = quote(f"{places['PLACE']}/ca/ca.pem", safe="/")
    options = f"sslmode=verify-full&sslrootcert={ca}&target_session_attrs=read-write"
    return f"postgresql://{role}:{quote(password, safe='')}@{hosts}/inference?{options}"


def broker_url(user: str, password: str, places: Mapping[str, str]) -> str:
    """Return the URLs of the cluster's nodes."""
    login = f"{user}:{quote(password, safe='')}"
    nodes = [(places[f"RABBITMQ_{n}_HOST"], places[f"RABBITMQ_{n}_PORT"]) for n in NODES]
    return ";".join(f"amqps://{login}@{host}:{port}//" for host, port in nodes)


def passfile(secret: Mapping[str, str]) -> str:
    """Return libpq's file with the password of the standby's role."""
    password = secret["REPLICATION_PASSWORD"].replace("\\", "\\\\").replace(":", "\\:")
    return f"*:*:*:{REPLICATOR}:{password}\n"


def definitions(template: Mapping[str, Any], secret: Mapping[str, str], before: Path) -> str:
    """Return RabbitMQ's definitions, with the users' passwords hashed as it expects them.

    A hash in the file `before` that is still right remains, so that nothing changes without a reason.
    """
    whole = json.loads(json.dumps(template))
    stored = _hashes(before)
    for user in whole["users"]:
        password = secret[password_of(user["name"])]
        old = stored.get(user["name"], b"")
        salt = (
            old[:SALT_BYTES]
            if old == _salted(old[:SALT_BYTES], password)
            else secrets.token_bytes(SALT_BYTES)
        )
        user["password_hash"] = base64.b64encode(_salted(salt, password)).decode()
    return json.dumps(whole, indent=1) + "\n"


def _hashes(path: Path) -> dict[str, bytes]:
    """Return the hashes of definitions by user; none of a missing or damaged file, which is made anew."""
    try:
        users = json.loads(path.read_text())["users"]
        return {user["name"]: base64.b64decode(user["password_hash"]) for user in users}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def _salted(salt: bytes, password: str) -> bytes:
    return salt + hashlib.sha256(salt + password.encode()).digest()
