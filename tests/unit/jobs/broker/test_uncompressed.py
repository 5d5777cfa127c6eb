"""A message that is small in the broker and large in memory is unpacked by no process here."""

from __future__ import annotations

import bz2
import lzma
import subprocess
import sys
import zlib
from collections.abc import Callable

import pytest

TRIAL = """
import sys
from {module} import {name}
{call}
from kombu.message import Message
for kind, packed in zip(sys.argv[1::2], map(bytes.fromhex, sys.argv[2::2])):
    message = Message(body=packed, headers={{"compression": kind}}, content_type="application/json")
    assert message.errors and len(message.body) == len(packed), (kind, len(message.body))
"""
PROCESSES = {
    "workers and beat": ("inference_site.celery", "app", ""),
    "the viewer": ("inference_site.viewer.event_viewer", "viewing_app", 'viewing_app("memory://")'),
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "application/x-gzip": zlib.compress,
    "zlib": zlib.compress,
    "application/x-bz2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.mark.parametrize("process", PROCESSES)
def test_no_process_unpacks_a_message(process: str) -> None:
    module, name, call = PROCESSES[process]
    words = [TRIAL.format(module=module, name=name, call=call)]
    for kind, pack in PACKERS.items():
        words += [kind, pack(b"[" * 1_000_000).hex()]
    ran = subprocess.run([sys.executable, "-c", *words], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2_000:]
