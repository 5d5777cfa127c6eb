"""What a person sees of a stack that starts: each step as it happens, then addresses and logins."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from inference_site.stack.record import FILE


class Console:
    """The steps of one start on stderr, with the seconds since its beginning; the results on stdout."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def step(self, text: str) -> None:
        """Say what is done now."""
        print(f"{time.monotonic() - self._began:5.1f} s  {text}", file=sys.stderr, flush=True)

    def ready(self, info: Mapping[str, object], run_dir: Path, *, at_length: bool) -> None:
        """Say that jobs are answered from now on; `at_length` with all addresses and logins."""
        print(f"ready: {info['api']} ({run_dir / FILE})", flush=True)
        if at_length:
            print(_addresses(info), flush=True)


def _addresses(info: Mapping[str, object]) -> str:
    login = f"{info['admin_user']} / {info['admin_password']}"
    rows = {
        "API": f"{info['api']}/api/v1/docs, documents at {info['api']}/docs/",
        "token": info["token"],
        "admin": f"{info['admin']}  {login}",
        "Flower": f"{info['flower']}  {login}",
        "RabbitMQ": info["rabbitmq_management"] or info["broker"],
        "Postgres": info["database"],
    }
    lines = [f"  {name:<9}{value}" for name, value in rows.items()]
    return "\n".join([*lines, "Ctrl-C ends the stack, as does `make down` in another terminal."])
