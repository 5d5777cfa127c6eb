from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from inference_site.stack.ports import LOOPBACK, free_ports
from tests.support.proxy import Link, Mode, Network
from tests.support.wait import wait_until

SHORT_S, LONG_S = 0.3, 10.0


class Echo:
    """An echo server that keeps its connections."""

    def __init__(self, port: int) -> None:
        self.listener = socket.create_server((LOOPBACK, port))
        self.heard: list[bytes] = []
        self.ended = 0
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                Thread(target=self._answer, args=(self.listener.accept()[0],), daemon=True).start()

    def _answer(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            while data := peer.recv(1_000):
                self.heard.append(data)
                peer.sendall(data)
        self.ended += 1


@pytest.fixture
def ports() -> list[int]:
    return free_ports(2)


@pytest.fixture
def echo(ports: list[int]) -> Iterator[Echo]:
    echo = Echo(ports[1])
    yield echo
    echo.listener.close()


@pytest.fixture
def network(ports: list[int], echo: Echo) -> Iterator[Network]:
    with Network({"link": Link(ports[0], (LOOPBACK, ports[1]))}) as network:
        yield network


@pytest.fixture
def client(network: Network, ports: list[int]) -> Iterator[socket.socket]:
    with socket.create_connection((LOOPBACK, ports[0]), timeout=LONG_S) as client:
        assert ask(client, b"before") == b"before"
        yield client


def ask(client: socket.socket, data: bytes, timeout_s: float = LONG_S) -> bytes:
    client.settimeout(timeout_s)
    client.sendall(data)
    return client.recv(1_000)


def test_a_cut_resets_present_and_new_connections(
    network: Network, client: socket.socket, ports: list[int]
) -> None:
    network.turn("link", Mode.CUT)
    with pytest.raises(ConnectionError):
        client.recv(1)
    with (
        pytest.raises(ConnectionError),
        socket.create_connection((LOOPBACK, ports[0]), timeout=LONG_S) as new,
    ):
        assert ask(new, b"nothing comes back")
    network.turn("link", Mode.OPEN)
    with socket.create_connection((LOOPBACK, ports[0]), timeout=LONG_S) as new:
        assert ask(new, b"after") == b"after"


def test_a_blackhole_holds_data_back_and_passes_it_later(
    network: Network, client: socket.socket, echo: Echo
) -> None:
    network.turn("link", Mode.DARK)
    with pytest.raises(TimeoutError):
        ask(client, b"held", SHORT_S)
    assert echo.heard == [b"before"]
    network.turn("link", Mode.OPEN)
    client.settimeout(LONG_S)
    assert client.recv(1_000) == b"held"


def test_a_half_open_connection_is_gone_at_the_server_and_silent_at_the_client(
    network: Network, client: socket.socket, echo: Echo
) -> None:
    network.turn("link", Mode.HALF_OPEN)
    with pytest.raises(TimeoutError):
        ask(client, b"nobody", SHORT_S)
    wait_until(lambda: echo.ended == 1)
    assert echo.heard == [b"before"]
    network.turn("link", Mode.OPEN)
    client.settimeout(LONG_S)
    with pytest.raises(ConnectionError):
        client.recv(1)


def test_a_ghost_stays_at_the_server_while_its_client_comes_again(
    network: Network, client: socket.socket, echo: Echo, ports: list[int]
) -> None:
    network.turn("link", Mode.GHOST)
    with pytest.raises(ConnectionError):
        client.recv(1)
    with socket.create_connection((LOOPBACK, ports[0]), timeout=LONG_S) as new:
        assert ask(new, b"again") == b"again"
        assert echo.ended == 0
        network.turn("link", Mode.OPEN)
        assert ask(new, b"and on") == b"and on"
        wait_until(lambda: echo.ended == 1)


def test_a_silent_connection_passes_nothing_more_while_new_ones_work(
    network: Network, client: socket.socket, echo: Echo, ports: list[int]
) -> None:
    network.silence("link")
    with pytest.raises(TimeoutError):
        ask(client, b"nobody", SHORT_S)
    with socket.create_connection((LOOPBACK, ports[0]), timeout=LONG_S) as new:
        assert ask(new, b"again") == b"again"
        client.close()
        assert ask(new, b"and on") == b"and on"
    wait_until(lambda: echo.ended == 1)  # the new one; the server has not learned of the old one's end
    assert echo.heard == [b"before", b"again", b"and on"]


def test_latency_delays_both_ways(network: Network, client: socket.socket) -> None:
    network.slow("link", SHORT_S)
    with pytest.raises(TimeoutError):
        ask(client, b"slow", SHORT_S)
    client.settimeout(LONG_S)
    assert client.recv(1_000) == b"slow"
