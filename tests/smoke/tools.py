"""The programs of others that a run needs, found or unpacked before anything is started."""

from __future__ import annotations

import shutil

from inference_site.stack import debian
from inference_site.stack.rabbitmq import find_installation
from inference_site.stack.services import UNPACK_ROOT
from inference_site.stack.stack_errors import StackError
from tests.smoke import database, proxy, watcher


def fetch() -> None:
    """Find or unpack all of them; StackError where one cannot be had."""
    if not debian.offered():
        raise StackError("it needs Debian's package tools")
    if shutil.which("openssl") is None:
        raise StackError("it needs the program openssl")
    find_installation(UNPACK_ROOT)
    database.programs()
    proxy.program()
    for name in (watcher.PROMETHEUS, watcher.EXPORTER):
        watcher.tool(name)
