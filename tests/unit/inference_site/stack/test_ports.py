import socket

from inference_site.stack.ports import LOOPBACK, free_port, free_ports


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as bound:
        bound.bind((LOOPBACK, free_port()))
