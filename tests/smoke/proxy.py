"""nginx of compose's own configuration; Debian's, unpacked, where none is installed."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
from pathlib import Path

from inference_site.stack import debian
from inference_site.stack.debian import Package
from inference_site.stack.leash import Child, Command
from inference_site.stack.ports import LOOPBACK
from inference_site.stack.services import PROJECT
from tests.smoke.addresses import Addresses
from tests.smoke.rendering import Rendered

PACKAGE = Package("nginx", ("nginx", "libpcre2", "libssl3"), "PATH to one's folder")
START_S, GRACE_S = 20.0, 5.0
ERRORS = "stderr"  # until it has read where the configuration wants them


class Proxy:
    """nginx with TLS in front of `web` and `stream`."""

    name = "proxy"

    def __init__(self, run_dir: Path, *, rendered: Rendered, addresses: Addresses) -> None:
        """Prepare to serve."""
        self.child: Child | None = None
        self._run_dir, self._rendered, self._port = run_dir, rendered, addresses.port("proxy api")

    def start(self) -> None:
        """Start it without waiting for it."""
        path, env = program()
        words = ["-e", ERRORS, "-c", str(self._rendered.nginx_conf), "-g", "daemon off;"]
        command = Command(name=self.name, argv=[path, *words], env=env)
        self.child = Child(command, run_dir=self._run_dir)

    def wait_ready(self) -> None:
        """Return once it speaks TLS with a certificate that the CA signed."""
        assert self.child is not None
        self.child.wait_until(self._speaks, timeout_s=START_S)

    def finish(self) -> None:
        """End it."""
        if self.child is not None:
            self.child.finish(0)
            self.child = None

    def _speaks(self) -> bool:
        context = ssl.create_default_context(cafile=self._rendered.ca_file)
        try:
            with (
                socket.create_connection((LOOPBACK, self._port), 2) as plain,
                context.wrap_socket(plain, server_hostname=LOOPBACK),
            ):
                return True
        except OSError:
            return False


def program() -> tuple[str, dict[str, str]]:
    """Return nginx and its environment: the one on the PATH, else Debian's, unpacked; StackError."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    if found := shutil.which("nginx", path=path):
        return found, dict(os.environ)
    root = debian.unpacked(PROJECT / ".run/nginx-root", PACKAGE)
    libraries = os.pathsep.join(str(folder) for folder in (root / "usr/lib").glob("*-linux-gnu*"))
    return str(root / "usr/sbin/nginx"), os.environ | {"LD_LIBRARY_PATH": libraries}
