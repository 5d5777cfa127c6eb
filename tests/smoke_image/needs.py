"""What this test needs of a machine, and what it says where that is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

# A program, and Debian's package that has it.
PROGRAMS = {
    "podman": "podman",
    "runc": "runc",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "catatonit": "catatonit",  # the first process of a container with `init`
    "openssl": "openssl",
}
# Programs that are on no path: podman's networks, and the names in them.
FILES = {
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
}


class DidNotRunError(Exception):
    """This machine cannot run the test; the message says why."""


def lacking() -> list[str]:
    """Return the Debian packages that this machine lacks."""
    programs = [package for name, package in PROGRAMS.items() if shutil.which(name) is None]
    return programs + [package for path, package in FILES.items() if not os.path.exists(path)]  # noqa: PTH110


def check(*, install: bool) -> None:
    """Raise DidNotRunError unless the test can run here; `install` installs Debian's packages first."""
    if os.geteuid() != 0:
        raise DidNotRunError("it needs root, for debootstrap and for containers with users of their own")
    if shutil.which("apt-get") is None:
        raise DidNotRunError("it builds its images from Debian's packages, and there is no apt-get here")
    if install and (names := lacking()):
        _install(names)
    if names := lacking():
        raise DidNotRunError(
            f"these packages are missing: {' '.join(names)}; make smoke-image ARGS=--install installs them"
        )


def mirror() -> tuple[str, str]:
    """Return the address and the suite of the Debian archive that apt uses here; DidNotRunError."""
    words = [
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    ]
    for line in _output(words).splitlines():
        address, suite, component = line.split()
        if component == "main" and suite.isalpha():
            return address, suite
    raise DidNotRunError("apt knows no archive with the component main")


def _install(names: Sequence[str]) -> None:
    words = ["apt-get", "install", "--yes", "--no-install-recommends", *names]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update"], words):
        done = subprocess.run(step, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DidNotRunError(f"{' '.join(step)} failed: {done.stderr.strip()[-500:]}")


def _output(words: Sequence[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
