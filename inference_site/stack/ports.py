"""Free loopback ports, so that several stacks can run on one machine."""

import json
import socket
from contextlib import ExitStack
from pathlib import Path

from inference_site.stack.private_files import private_dir, write_private

LOOPBACK = "127.0.0.1"
LAST_PORT = 65_535


def free_ports(count: int) -> list[int]:
    """Return `count` different loopback TCP ports that are free at this moment."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind((LOOPBACK, 0))
        return [opened.getsockname()[1] for opened in sockets]


def free_port() -> int:
    """Return a loopback TCP port that is free at this moment."""
    return free_ports(1)[0]


class RememberedPorts:
    """Ports that stay the same from one start of a run directory to the next, where they are still free."""

    def __init__(self, run_dir: Path) -> None:
        self._path = private_dir(run_dir) / "ports.json"

    def take(self, *names: str) -> list[int]:
        """Return a free port for each name, the one that it had before if possible; remember them."""
        known = self._known()
        fresh = iter(free_ports(len(names)))
        ports = {name: port if is_free(port := known.get(name, 0)) else next(fresh) for name in names}
        write_private(self._path, json.dumps({**known, **ports}, indent=1) + "\n")
        return list(ports.values())

    def forget(self, *names: str) -> None:
        """Let these names have other ports."""
        known = {name: port for name, port in self._known().items() if name not in names}
        write_private(self._path, json.dumps(known, indent=1) + "\n")

    def _known(self) -> dict[str, int]:
        try:
            known = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return {str(name): port for name, port in known.items() if isinstance(port, int)}


def is_free(port: int) -> bool:
    """Return whether a server could listen on this loopback port now."""
    if not 0 < port <= LAST_PORT:
        return False
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do, after a recent end
        try:
            opened.bind((LOOPBACK, port))
            opened.listen()
        except OSError:
            return False
    return True
