import socket
from pathlib import Path

from inference_site.stack.ports import LOOPBACK, RememberedPorts, free_port, free_ports, is_free


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as bound:
        bound.bind((LOOPBACK, free_port()))


def test_a_run_directory_keeps_its_ports(tmp_path: Path) -> None:
    first = RememberedPorts(tmp_path).take("web", "stream")
    assert RememberedPorts(tmp_path).take("stream", "web", "flower")[:2] == first[::-1]


def test_a_port_that_another_program_took_meanwhile_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    web, stream = RememberedPorts(tmp_path).take("web", "stream")
    with socket.socket() as other:
        other.bind((LOOPBACK, web))
        other.listen()
        assert not is_free(web)
        again = RememberedPorts(tmp_path).take("web", "stream")
    assert again[0] != web
    assert again[1] == stream
    assert RememberedPorts(tmp_path).take("web") == [again[0]]


def test_forgotten_ports_and_a_broken_memory_give_other_ports(tmp_path: Path) -> None:
    ports = RememberedPorts(tmp_path)
    (web,) = ports.take("web")
    ports.forget("web")
    with socket.socket() as other:
        other.bind((LOOPBACK, web))
        assert ports.take("web") != [web]
    (tmp_path / "ports.json").write_text('{"web": 99')
    assert is_free(ports.take("web")[0])
    (tmp_path / "ports.json").write_text('{"web": 70000}')
    assert is_free(ports.take("web")[0])
