"""Connections that send nothing, or headers without an end, are closed by the servers of the stack."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import ExitStack, suppress

import pytest

from inference_site.stack.ports import LOOPBACK, free_ports
from inference_site.stack.services import PROJECT
from inference_site.stack.specs import StackPlan, specs
from tests.support.wait import wait_until

CLOSED_S = 30.0


def test_a_connection_without_a_request_is_closed(db: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    api, stream, flower = free_ports(3)
    plan = StackPlan(
        run_dir=tmp_path_factory.getbasetemp(),
        api_port=api,
        stream_port=stream,
        flower_port=flower,
        gpus=0,
        workers=1,
        login="a:b",
        web_workers=1,
    )
    (web,) = [spec for spec in specs(plan) if spec.name == "web"]
    with ExitStack() as stack:
        argv = [*web.argv]
        argv[argv.index("--http1-header-read-timeout") + 1] = (
            "3000"  # milliseconds, instead of thirty seconds
        )
        process = subprocess.Popen(argv, env=os.environ, cwd=PROJECT, stdout=subprocess.DEVNULL)
        stack.callback(process.wait, 20)
        stack.callback(process.send_signal, signal.SIGTERM)
        wait_until(lambda: _opened(api) is not None)
        wires = [stack.enter_context(socket.create_connection((LOOPBACK, api), CLOSED_S)) for _ in range(3)]
        for wire, begun in zip(wires, (b"", b"GET /healthz HTTP/1.1\r\nX-Slow: ", b"PRI * HT"), strict=True):
            wire.sendall(begun)
        assert [wire.recv(1_000) for wire in wires] == [b"", b"", b""]


def _opened(port: int) -> bool | None:
    with suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
        return True
    return None
