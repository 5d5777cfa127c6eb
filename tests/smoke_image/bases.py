"""Base images of Debian's packages, in place of those of a registry: Python, Postgres, RabbitMQ and nginx.

Each has the program, the user and the entry point that compose.yaml expects of the image it stands for.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.smoke_image.engine import Engine, EngineError, command
from tests.smoke_image.needs import mirror

HERE = Path(__file__).parent
DEBIAN = "localhost/smoke-debian"
BASE, BUILD = "localhost/smoke-base", "localhost/smoke-build"
POSTGRES, RABBITMQ, PROXY = "localhost/smoke-postgres", "localhost/smoke-rabbitmq", "localhost/smoke-nginx"
# The image, and the stage of bases.Dockerfile that makes it.
STAGES = {BASE: "base", BUILD: "build", POSTGRES: "postgres", RABBITMQ: "rabbitmq", PROXY: "proxy"}
UNREAD = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
)


def make_bases(engine: Engine) -> None:
    """Make each base image that is missing."""
    if not engine.has_image(DEBIAN):
        _import_debian(engine)
    for image, stage in STAGES.items():
        if not engine.has_image(image):
            file = str(HERE / "bases.Dockerfile")
            engine.run("build", "--file", file, "--target", stage, "--tag", image, str(HERE))


def _import_debian(engine: Engine) -> None:
    root, archive = engine.home / "debian", engine.home / "debian.tar"
    address, suite = mirror()
    words = ["debootstrap", "--variant=minbase", "--include=ca-certificates", suite, str(root), address]
    for step in (
        words,
        ["tar", "-C", str(root), *(f"--exclude=./{path}/*" for path in UNREAD), "-cf", str(archive), "."],
    ):
        done = command(step, engine.log)
        if done.returncode:
            raise EngineError(f"{step[0]}: {(done.stdout + done.stderr)[-1000:]}")
    engine.run("import", str(archive), DEBIAN)
    archive.unlink()
    shutil.rmtree(root)
