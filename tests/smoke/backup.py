"""The base backup, taken by the very command of compose/PROCEDURES.md, with this machine's paths in it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator

from inference_site.stack.postgres import unprivileged
from tests.smoke.composed import COMPOSE
from tests.smoke.database import Primary, programs
from tests.smoke.world import World

COMMAND = re.compile(r"docker compose exec postgres (pg_basebackup .+)")
LIMIT_S = 120


def documented() -> list[str]:
    """Return the words of the documented command, as the container runs them."""
    (words,) = COMMAND.findall((COMPOSE / "PROCEDURES.md").read_text())
    return shlex.split(words)


def complaints(world: World) -> Iterator[str]:
    """Yield a sentence if the backup fails, or asks for a password, or has no data."""
    archive = world.rendered.place.parent / "wal-archive"
    places = {"/rendered": str(world.rendered.place), "/wal-archive": str(archive)}
    program, *words = documented()
    for place, here in places.items():
        words = [word.replace(place, here) for word in words]
    port = str(world.addresses.port(Primary.name))
    ended = subprocess.run(
        [*unprivileged(), str(programs() / program), "--no-password", *words],
        env={**os.environ, "PGPORT": port}, capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip
    if ended.returncode or not [*archive.glob("base-*/PG_VERSION")]:
        yield f"the base backup failed: {ended.stderr.strip()[-300:]}"
