"""`manage.py loadtest` from its words to its exit status and its files."""

from __future__ import annotations

import json
import re
import ssl
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
from django.core.management import CommandError, call_command

from jobs.core.loadtest.load_report import LoadReport
from jobs.management.commands.loadtest import Command
from tests.support.certificates import Authority
from tests.support.load_stub import StubPlatform, stub_platform
from tests.unit.jobs.core.loadtest.reports import made_up

SCHEMA = Path("jobs/management/loadtest/report.schema.json")
PNG = b"\x89PNG\r\n\x1a\n"


def status_of(*words: str) -> int:
    try:
        call_command("loadtest", *words)
    except SystemExit as end:
        return int(str(end.code))
    except CommandError as error:
        return error.returncode
    return 0


def words_for(stub: StubPlatform, *more: str) -> list[str]:
    return ["echo", "--url", stub.url, "--token", "t", "--rate", "100", "--duration", "500ms", *more]


def test_a_run_writes_a_report_of_the_schema_a_page_by_itself_and_charts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with stub_platform(refuses=lambda number: number == 7) as stub:
        call = words_for(stub, "--slo", "p95=20s", "--out", str(tmp_path))
        assert status_of(*call) in {0, 3}  # 3 where this machine was busy
    report = json.loads((tmp_path / "report.json").read_text())
    jsonschema_rs.validator_for(json.loads(SCHEMA.read_text())).validate(report)
    assert (report["sums"]["intended"], report["sums"]["refused"]) == (50, 1)
    page = (tmp_path / "report.html").read_text()
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []
    assert "1 times 429 overloaded" in capsys.readouterr().out
    assert all((tmp_path / f"{name}.png").read_bytes().startswith(PNG) for name in ("course", "latency"))


def test_the_schema_is_that_of_the_report() -> None:
    """Where they differ on purpose, write `own` into the file."""
    own = msgspec.json.format(msgspec.json.encode(msgspec.json.schema(LoadReport)), indent=1).decode() + "\n"
    assert SCHEMA.read_text() == own


def test_the_exit_status_says_what_happened() -> None:
    with stub_platform(service_s=0.3) as stub:
        assert status_of(*words_for(stub, "--slo", "p50=10ms")) in {1, 3}
        assert status_of(*words_for(stub, "--slo", "p101")) == 2
        assert len(stub.submits) == 50
    assert status_of(*words_for(stub)) == 4


def test_what_the_platform_says_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    body = b'{"status": 422, "code": "invalid_input", "detail": "it ends with [/INST] in [red]"}'
    head = b"HTTP/1.1 422 Stub\r\nContent-Length: %d\r\n\r\n" % len(body)
    with stub_platform(garbles=lambda _: head + body) as stub:
        assert status_of(*words_for(stub)) == 3
    assert "422 invalid_input: it ends with [/INST] in [red]" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_status_2_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with stub_platform() as stub:
        for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/none")):
            assert status_of(*words_for(stub, "--out", str(folder))) == 2
        assert stub.submits == []


def test_a_wrong_word_on_the_command_line_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        Command().run_from_argv(["manage.py", "loadtest", "echo", "--rat3", "1"])
    assert end.value.code == 2
    with pytest.raises(SystemExit) as end:
        Command().run_from_argv(["manage.py", "loadtest", "echo", "--rate", "nan"])
    assert end.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "CommandError: --rate: nan is no rate: give jobs a second above 0, such as 50"


@pytest.mark.parametrize(
    ("mean_s", "word", "status"), [(0.1, "same", 0), (0.2, "worse", 1), (0.05, "better", 0)]
)
def test_two_reports_are_compared_in_one_word(
    mean_s: float, word: str, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, report in (("a", made_up(lambda _: 0.1, seed=1)), ("b", made_up(lambda _: mean_s, seed=1))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_bytes(msgspec.json.encode(report))
    assert status_of("--compare", str(tmp_path / "a"), str(tmp_path / "b")) == status
    assert capsys.readouterr().out.splitlines()[-1] == word


def test_what_is_no_report_is_not_compared(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    assert status_of("--compare", str(tmp_path), str(tmp_path)) == 2
    assert status_of("--compare", str(tmp_path / "none"), str(tmp_path)) == 2


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def tls_of(authority: Authority, *hosts: str) -> ssl.SSLContext:
    own = authority.issue("-".join(hosts).replace(".", "_"), *hosts)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.cert, own.key)
    return context


@pytest.mark.parametrize("wait", ["longpoll", "poll", "sse"])
def test_a_platform_behind_tls_is_loaded_with_an_authority_of_one_s_own(
    authority: Authority, wait: str, tmp_path: Path
) -> None:
    with stub_platform(service_s=0.02, tls=tls_of(authority, "127.0.0.1")) as stub:
        words = words_for(stub, "--ca-file", str(authority.ca_file), "--wait", wait, "--out", str(tmp_path))
        assert status_of(*words) in {0, 3}
    assert json.loads((tmp_path / "report.json").read_text())["sums"]["succeeded"] == 50


def test_a_certificate_that_is_not_trusted_or_of_another_host_is_named_and_nothing_is_sent(
    authority: Authority,
) -> None:
    own = ["--ca-file", str(authority.ca_file)]
    for host, words, says in (("127.0.0.1", [], "local issuer"), ("other.example", own, "127.0.0.1")):
        with stub_platform(tls=tls_of(authority, host)) as stub:
            with pytest.raises(CommandError, match=f"(?s)is not trusted.*{says}.*--ca-file") as caught:
                call_command("loadtest", *words_for(stub, *words))
            assert (caught.value.returncode, stub.submits) == (4, [])


def test_a_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(CommandError, match="--ca-file"):
            call_command("loadtest", "echo", "--ca-file", str(tmp_path / name))
