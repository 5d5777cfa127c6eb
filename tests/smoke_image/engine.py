"""podman with a storage and networks of its own: nothing else on this machine is touched or left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NETWORK = "smoke"
SUBNET, GATEWAY = "10.213.77.0/24", "10.213.77.1"
# `crun` refuses cgroups of both versions at once; podman's own limits may be above what this machine allows.
CONFIG = f"""[containers]
init_path = "{shutil.which("catatonit")}"
default_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""
PAST_S = 1_800.0


class EngineError(Exception):
    """A command of the engine failed; the message has its last words."""


class Engine:
    """The commands of podman, of one folder; `program` is a script that other programs may call as podman."""

    def __init__(self, home: Path) -> None:
        """Write the configuration and the script."""
        self.home = home
        self.log = home / "commands.log"
        home.mkdir(parents=True, exist_ok=True)
        (home / "containers.conf").write_text(CONFIG)
        self.program = home / "podman"
        self.program.write_text(
            "#!/bin/sh\n"
            f"export CONTAINERS_CONF={home}/containers.conf\n"
            f"exec {shutil.which('podman')} --root {home}/storage --runroot {home}/run --tmpdir {home}/libpod"
            f' --network-config-dir {home}/networks "$@"\n'
        )
        self.program.chmod(0o755)

    def run(
        self, *words: str, check: bool = True, limit_s: float = PAST_S
    ) -> subprocess.CompletedProcess[str]:
        """Run one command, and write it with its output to the log; EngineError."""
        done = command([str(self.program), *words], self.log, limit_s=limit_s)
        if check and done.returncode:
            raise EngineError(f"podman {' '.join(words[:6])} …: {done.stderr.strip()[-2000:]}")
        return done

    def say(self, *words: str) -> str:
        """Return what a command prints."""
        return self.run(*words).stdout.strip()

    def make_network(self) -> None:
        """Make the network of the stack, whose address is known before the configuration is rendered."""
        self.run("network", "create", "--subnet", SUBNET, "--gateway", GATEWAY, NETWORK)

    def has_image(self, name: str) -> bool:
        """Return whether the image was built."""
        return self.run("image", "exists", name, check=False).returncode == 0

    def image_bytes(self, name: str) -> int:
        """Return the bytes of all layers of the image."""
        return int(self.say("image", "inspect", "--format", "{{.Size}}", name))

    def inspect(self, container: str) -> dict[str, Any]:
        """Return what podman knows of a container."""
        (row,) = json.loads(self.say("container", "inspect", container))
        return dict(row)

    def remove_containers(self) -> None:
        """End and remove all containers, volumes and networks."""
        for words in (
            ["rm", "--all", "--force", "--time", "5", "--volumes"],
            ["volume", "prune", "--force"],
            ["network", "rm", "--force", NETWORK],
        ):
            self.run(*words, check=False)

    def remove_all(self) -> None:
        """Remove the images too, with the whole storage."""
        self.remove_containers()
        self.run("rmi", "--all", "--force", check=False)
        subprocess.run(["umount", f"{self.home}/storage/overlay"], check=False, capture_output=True)
        shutil.rmtree(self.home)


def command(words: Sequence[str], log: Path, *, limit_s: float = PAST_S) -> subprocess.CompletedProcess[str]:
    """Run a program, and append it with its output to the log."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=limit_s, env=environment
    )
    with log.open("a") as file:
        file.write(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}-> {done.returncode}\n")
    return done
