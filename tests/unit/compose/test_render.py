"""render.py: it makes what is missing, overwrites nothing, and replaces what it is told to, one at a time."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import ssl
import subprocess
import sys
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from kombu.utils.url import parse_url
from psycopg.conninfo import conninfo_to_dict

from inference_site.config import Config
from inference_site.process_needs import NEEDS, Process
from jobs.broker.topology import BrokerUser
from jobs.core.access.database_rights import RUNTIME_LOGINS, DatabaseRole
from tests.support.compose_files import COMPOSE, SITE, imported, render, rendered, write_env

# A shell, a URL, psql and nginx would each read some of these as something else.
WORD = r"p@ss/w$rd :%#"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    rendered(folder, RELAY_PASSWORD=WORD, DATABASE_RUNTIME_PASSWORD=WORD)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """Return a copy, because to make all certificates takes seconds."""
    place = tmp_path / "site"
    shutil.copytree(whole, place)
    return place


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name != ".env"
    }


def secret(folder: Path, name: str) -> str:
    return (folder / "rendered/secrets" / name).read_text()


def test_passwords_of_any_characters_arrive_as_they_are(whole: Path) -> None:
    urls = whole / "rendered/urls"
    given = {
        "DATABASE_URL_FILE": str(urls / "database-runtime"),
        "BROKER_URL_FILE": str(urls / "broker-relay"),
    }
    given["SECRET_KEY_FILE"] = str(whole / "rendered/secrets/SECRET_KEY")
    config = Config.from_env(given, NEEDS[Process.RELAY])
    assert config.mistakes == ()
    assert conninfo_to_dict(config.database_url)["password"] == WORD
    assert [parse_url(node)["password"] for node in config.broker_url.split(";")] == [WORD] * 3
    users = json.loads((whole / "rendered/rabbitmq/definitions.json").read_text())["users"]
    (stored,) = [b64decode(user["password_hash"]) for user in users if user["name"] == "relay"]
    assert stored[4:] == sha256(stored[:4] + WORD.encode()).digest()


def test_connections_check_the_server_and_find_the_one_that_takes_writes(whole: Path) -> None:
    for name, role in (("owner", DatabaseRole.OWNER), ("runtime", RUNTIME_LOGINS[0])):
        parts = conninfo_to_dict((whole / f"rendered/urls/database-{name}").read_text())
        assert (parts["user"], parts["host"]) == (role, "postgres,postgres-replica")
        assert (parts["sslmode"], parts["target_session_attrs"]) == ("verify-full", "read-write")
    for user in BrokerUser:
        nodes = (whole / f"rendered/urls/broker-{user}").read_text().split(";")
        assert [parse_url(node)["hostname"] for node in nodes] == ["rabbitmq-1", "rabbitmq-2", "rabbitmq-3"]
        assert {parse_url(node)["transport"] for node in nodes} == {"amqps"}


def test_only_public_files_can_be_read_by_others(whole: Path) -> None:
    private = [p for p in (whole / "rendered").rglob("*") if p.is_file() and p.stat().st_mode & 0o077]
    public = {"cert.pem", "ca.pem", "issuer.pem", "enabled_plugins"}
    assert [
        str(p) for p in private if p.name not in public and p.suffix not in {".conf", ".config", ".yaml"}
    ] == []
    for path in private:
        text = path.read_text()
        assert "PRIVATE KEY" not in text
        assert WORD not in text


def test_a_second_rendering_changes_nothing(folder: Path) -> None:
    before = files(folder)
    assert render(folder).returncode == 0
    assert files(folder) == before


def put_own_certificate(folder: Path) -> Path:
    """Give the proxy a certificate that is not of the deployment's CA; return its file."""
    place = folder / "rendered/tls/proxy"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=api.example"
    files = ["-keyout", str(place / "key.pem"), "-out", str(place / "cert.pem")]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
    return place / "cert.pem"


def test_what_exists_is_not_overwritten_and_what_is_missing_comes_back(folder: Path) -> None:
    own = put_own_certificate(folder)
    text = own.read_text()
    (folder / "rendered/secrets/BEAT_PASSWORD").unlink()
    ended = render(folder)
    assert ended.returncode == 0, ended.stderr
    assert own.read_text() == text
    assert len(secret(folder, "BEAT_PASSWORD")) > 30


def test_a_password_of_the_file_of_values_that_is_not_the_stored_one_is_refused(folder: Path) -> None:
    write_env(folder, SITE | {"RELAY_PASSWORD": "another"})
    before = files(folder)
    ended = render(folder)
    assert ended.returncode == 1
    assert "RELAY_PASSWORD is not that of" in ended.stderr
    assert "--rotate RELAY_PASSWORD" in ended.stderr
    assert "another" not in ended.stderr.replace("another value", "")
    assert files(folder) == before
    write_env(folder, SITE)
    assert render(folder).returncode == 0  # without one, the stored one counts
    assert secret(folder, "RELAY_PASSWORD") == WORD


def changed(folder: Path, *words: str) -> set[str]:
    before = files(folder)
    write_env(folder, SITE)
    ended = render(folder, *words)
    assert ended.returncode == 0, ended.stderr
    return {
        name.removeprefix("rendered/")
        for name, content in files(folder).items()
        if before.get(name) != content
    }


def test_a_rotated_password_changes_one_login_and_no_other(folder: Path) -> None:
    old = json.loads((folder / "rendered/rabbitmq/definitions.json").read_text())["users"]
    expected = {"secrets/WORKER_PASSWORD", "urls/broker-worker", "rabbitmq/definitions.json"}
    assert changed(folder, "--rotate", "WORKER_PASSWORD") == expected
    new = json.loads((folder / "rendered/rabbitmq/definitions.json").read_text())["users"]
    assert [a["name"] for a, b in zip(old, new, strict=True) if a != b] == ["worker"]


@pytest.mark.parametrize(
    ("name", "also"),
    [
        ("DATABASE_OWNER_PASSWORD", {"urls/database-owner"}),
        ("POSTGRES_PASSWORD", {"urls/database-superuser"}),
        ("REPLICATION_PASSWORD", {"postgres/replication.pgpass"}),
        ("FLOWER_BASIC_AUTH", set()),
        ("GRAFANA_PASSWORD", set()),
    ],
)
def test_each_secret_is_rotated_with_what_is_made_of_it(folder: Path, name: str, also: set[str]) -> None:
    assert changed(folder, "--rotate", name) == {f"secrets/{name}", *also}


def test_an_old_site_key_is_still_read_until_it_is_retired(folder: Path) -> None:
    first = secret(folder, "SECRET_KEY")
    changed(folder, "--rotate", "SECRET_KEY")
    second = secret(folder, "SECRET_KEY")
    changed(folder, "--rotate", "SECRET_KEY")
    assert secret(folder, "SECRET_KEY_FALLBACKS") == f"{second},{first}"
    assert len({first, second, secret(folder, "SECRET_KEY")}) == 3
    changed(folder, "--retire", "SECRET_KEY")
    assert secret(folder, "SECRET_KEY_FALLBACKS") == ""


def test_payload_keys_are_prepended_or_announced_first(folder: Path) -> None:
    old = secret(folder, "PAYLOAD_KEYS")
    changed(folder, "--rotate", "PAYLOAD_KEYS")
    assert secret(folder, "PAYLOAD_KEYS").split(",")[1:] == [old]
    changed(folder, "--announce", "PAYLOAD_KEYS")
    second, first, third = secret(folder, "PAYLOAD_KEYS").split(",")
    changed(folder, "--rotate", "PAYLOAD_KEYS")  # the announced one writes now, and none is new
    assert secret(folder, "PAYLOAD_KEYS").split(",") == [third, second, first]
    assert Config.from_env({"PAYLOAD_KEYS": secret(folder, "PAYLOAD_KEYS")}, NEEDS[Process.BEAT]).seals
    assert [entry.partition(":")[0] for entry in (third, second, first)] == ["k3", "k2", "k1"]
    changed(folder, "--retire", "PAYLOAD_KEYS")
    assert secret(folder, "PAYLOAD_KEYS") == third


def runtime(folder: Path) -> tuple[str, str]:
    """The login that the processes take."""
    parts = conninfo_to_dict((folder / "rendered/urls/database-runtime").read_text())
    return str(parts["user"]), str(parts["password"])


def passwords(folder: Path) -> tuple[str, str]:
    """Those that are valid after `database_roles`: of the first login and of the second."""
    return secret(folder, "DATABASE_RUNTIME_PASSWORD"), secret(folder, "DATABASE_RUNTIME_PASSWORD_B")


def test_processes_take_the_other_login_and_the_old_one_is_valid_until_it_is_retired(
    folder: Path,
) -> None:
    first, second = RUNTIME_LOGINS
    assert (runtime(folder), passwords(folder)) == ((first, WORD), (WORD, ""))
    assert changed(folder, "--announce", "DATABASE_RUNTIME_PASSWORD") == {
        "secrets/DATABASE_RUNTIME_PASSWORD_B"
    }
    assert runtime(folder) == (first, WORD)
    announced = passwords(folder)[1]
    assert len(announced) > 30
    assert changed(folder, "--rotate", "DATABASE_RUNTIME_PASSWORD") == {
        "secrets/DATABASE_RUNTIME_NEWEST",
        "urls/database-runtime",
    }
    assert (runtime(folder), passwords(folder)) == ((second, announced), (WORD, announced))
    changed(folder, "--retire", "DATABASE_RUNTIME_PASSWORD")
    assert (runtime(folder), passwords(folder)) == ((second, announced), ("", announced))
    changed(folder, "--rotate", "DATABASE_RUNTIME_PASSWORD")  # without an announcement, and back to the first
    third = passwords(folder)[0]
    assert third not in {"", WORD, announced}
    assert (runtime(folder), passwords(folder)) == ((first, third), (third, announced))


@pytest.mark.parametrize("act", ["--rotate", "--announce"])
def test_a_login_that_is_still_valid_is_not_overwritten_by_the_next_rotation(folder: Path, act: str) -> None:
    changed(folder, "--rotate", "DATABASE_RUNTIME_PASSWORD")
    before = files(folder)
    ended = render(folder, act, "DATABASE_RUNTIME_PASSWORD")
    assert ended.returncode == 1
    assert "has not ended, its old login is valid: --retire DATABASE_RUNTIME_PASSWORD" in ended.stderr
    assert files(folder) == before


def test_what_a_crash_leaves_of_a_retirement_is_no_announcement(folder: Path) -> None:
    changed(folder, "--rotate", "DATABASE_RUNTIME_PASSWORD")
    (folder / "rendered/secrets/DATABASE_RUNTIME_PASSWORD").write_text("")  # the first of its two steps
    changed(folder, "--rotate", "DATABASE_RUNTIME_PASSWORD")
    assert runtime(folder) == (RUNTIME_LOGINS[0], passwords(folder)[0])
    assert passwords(folder)[0] not in {"", WORD}


def test_a_rotated_certificate_is_one_of_the_same_names(folder: Path) -> None:
    def names() -> str:
        path = folder / "rendered/tls/rabbitmq-1/cert.pem"
        words = ["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", str(path)]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    before = names()
    assert "DNS:rabbitmq-1" in before
    assert changed(folder, "--rotate", "rabbitmq-1") == {"tls/rabbitmq-1/cert.pem", "tls/rabbitmq-1/key.pem"}
    assert names() == before


def test_a_new_ca_is_trusted_beside_the_old_one_until_no_certificate_of_that_is_left(folder: Path) -> None:
    assert changed(folder, "--rotate", "ca") == {"ca/ca.pem", "ca/issuer.pem", "ca/issuer.key"}
    assert len(ssl.create_default_context(cafile=str(folder / "rendered/ca/ca.pem")).get_ca_certs()) == 2
    refused = render(folder, "--retire", "ca")
    assert refused.returncode == 1
    assert "rotate them first: beat, cpu-worker," in refused.stderr
    for path in (folder / "rendered/tls").iterdir():
        shutil.rmtree(path)  # quicker than to rotate each of them
    changed(folder)
    changed(folder, "--retire", "ca")
    assert len(ssl.create_default_context(cafile=str(folder / "rendered/ca/ca.pem")).get_ca_certs()) == 1


def trusted(folder: Path, certificate: str) -> bool:
    words = ["-no-CApath", "-CAfile", "rendered/ca/ca.pem", f"rendered/tls/{certificate}/cert.pem"]
    ran = subprocess.run(["openssl", "verify", *words], cwd=folder, capture_output=True, check=False)
    return ran.returncode == 0


def test_a_second_new_ca_leaves_the_certificates_of_the_first_one_trusted(folder: Path) -> None:
    changed(folder, "--rotate", "ca")
    changed(folder, "--rotate", "relay")
    changed(folder, "--rotate", "ca")
    assert [name for name in ("relay", "postgres") if not trusted(folder, name)] == []
    assert "beat, cpu-worker," in render(folder, "--retire", "ca").stderr


def test_the_operator_s_own_certificate_does_not_keep_an_old_ca(folder: Path) -> None:
    changed(folder, "--rotate", "ca")
    own = put_own_certificate(folder)
    text = own.read_text()
    for path in (folder / "rendered/tls").iterdir():
        if path.name != "proxy":
            shutil.rmtree(path)
    changed(folder)
    assert changed(folder, "--retire", "ca") == {"ca/ca.pem"}
    assert own.read_text() == text


def test_a_rotation_that_was_cut_off_is_named_and_done_again(folder: Path) -> None:
    for name, key in (("relay", "tls/relay/key.pem"), ("ca", "ca/issuer.key")):
        shutil.copy(folder / "rendered/tls/beat/key.pem", folder / "rendered" / key)
        ended = render(folder)
        assert (ended.returncode, f"do not belong together of {name}:" in ended.stderr) == (1, True), name
        changed(folder, "--rotate", name)
    assert render(folder).stderr == ""


def test_a_rendering_that_was_cut_off_goes_on_where_it_was(folder: Path) -> None:
    before = files(folder)
    definitions = folder / "rendered/rabbitmq/definitions.json"
    definitions.write_text(definitions.read_text()[:100])
    (folder / "rendered/urls/broker-relay").unlink()
    (folder / "rendered/secrets/RELAY_PASSWORD.fresh").write_text("half")
    assert render(folder).returncode == 0
    same = {"rendered/rabbitmq/definitions.json", "rendered/secrets/RELAY_PASSWORD.fresh"}  # other salts
    assert {name: text for name, text in files(folder).items() if name not in same} == {
        name: text for name, text in before.items() if name not in same
    }
    users = json.loads(definitions.read_text())["users"]
    (stored,) = [b64decode(user["password_hash"]) for user in users if user["name"] == "relay"]
    assert stored[4:] == sha256(stored[:4] + WORD.encode()).digest()


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "DATABASE_RUNTIME_PASSWORD"])
def test_an_empty_file_is_no_password(folder: Path, name: str) -> None:
    (folder / "rendered/secrets" / name).write_text("")
    before = files(folder)
    ended = render(folder)
    assert (ended.returncode, f"{name} is empty" in ended.stderr) == (1, True)
    assert files(folder) == before


def test_two_renderings_at_once_make_one_set_of_secrets(tmp_path: Path) -> None:
    write_env(tmp_path, SITE)
    argv = [sys.executable, str(COMPOSE / "render.py"), str(tmp_path)]
    both = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == ["", ""]
    word = secret(tmp_path, "DATABASE_RUNTIME_PASSWORD")
    assert f":{word}@" in (tmp_path / "rendered/urls/database-runtime").read_text()
    assert render(tmp_path).stderr == ""  # each certificate is that of its key


def test_containers_may_enter_the_operator_s_own_folder_and_what_is_there_stays_closed(
    whole: Path, folder: Path
) -> None:
    assert (whole / "own").stat().st_mode & 0o777 == 0o755
    (folder / "own").chmod(0o700)
    assert render(folder).returncode == 0
    assert (folder / "own").stat().st_mode & 0o777 == 0o700


def test_a_link_among_the_files_gives_no_other_file_away(tmp_path: Path) -> None:
    with imported():
        hand_over = importlib.import_module("rendering.files").hand_over  # on the path only here
        (tmp_path / "folder").mkdir()
        (tmp_path / "outside").write_text("of another")
        (tmp_path / "folder" / "link").symlink_to(tmp_path / "outside")
        owners = list[tuple[str, bool]]()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                os, "chown", lambda path, *_, follow_symlinks: owners.append((path.name, follow_symlinks))
            )
            hand_over(tmp_path / "folder", 999)
    assert owners == [("folder", False), ("link", False)]


def test_secrets_that_may_go_out_of_the_file_of_values_are_named(folder: Path) -> None:
    write_env(folder, SITE | {"RELAY_PASSWORD": WORD})
    ended = render(folder)
    assert (ended.returncode, ended.stderr) == (
        0, "Take these out of .env, their files count: RELAY_PASSWORD\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--rotate", "PII_KEY"], "PII_KEY cannot be rotated"),
        (["--rotate", "RELAY"], "there is no RELAY: --names lists"),
        (["--rotate", "AWS_CREDENTIALS"], "AWS_CREDENTIALS is made elsewhere"),
        (
            ["--retire", "RELAY_PASSWORD"],
            "only SECRET_KEY, PAYLOAD_KEYS, DATABASE_RUNTIME_PASSWORD and ca keep an old value",
        ),
        (["--announce", "SECRET_KEY"], "only PAYLOAD_KEYS and DATABASE_RUNTIME_PASSWORD can be announced"),
        (["--rotate", "DATABASE_RUNTIME_PASSWORD_B"], "--rotate DATABASE_RUNTIME_PASSWORD"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    folder: Path, words: list[str], sentence: str
) -> None:
    before = files(folder)
    ended = render(folder, *words)
    assert (ended.returncode, sentence in ended.stderr) == (1, True), ended.stderr
    assert files(folder) == before


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"API_URL": ""}, r".env has no API_URL"),
        ({"API_URL": "api.example"}, "API_URL must be https://"),
        ({"API_URL": "https://change-me"}, "change these, which still have the example's value: API_URL"),
        ({"WORKER_GRACE_S": "60"}, "WORKER_STOP_GRACE must be 10 s longer than WORKER_GRACE_S (60)"),
        ({"RETENTION_DAY": "3"}, "nothing reads RETENTION_DAY; did you mean RETENTION_DAYS?"),
        ({"POSTGRES_HOST": "a b"}, "'a b' is no host name and no address"),
        ({"MAX_UPLOAD_BYTES": "1e9"}, "MAX_UPLOAD_BYTES must be a whole number of 1 or more"),
        ({"CERTIFICATE_DAYS": "0"}, "CERTIFICATE_DAYS must be a whole number of 1 or more"),
        ({"TRACE_BACKEND": 'https://a"b'}, "TRACE_BACKEND has a quote"),
        ({"RELAY_PASSWORD": " word"}, "RELAY_PASSWORD begins or ends with a space"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(tmp_path: Path, changes: dict[str, str], sentence: str) -> None:
    write_env(tmp_path, SITE | changes)
    ended = render(tmp_path)
    assert (ended.returncode, sentence in ended.stderr) == (1, True), ended.stderr


def test_the_example_is_refused_by_the_names_of_what_must_change(tmp_path: Path) -> None:
    shutil.copy(COMPOSE / ".env.example", tmp_path / ".env")
    assert "example's value: API_URL, STREAM_URL, ALLOWED_HOSTS" in render(tmp_path).stderr


def test_the_file_of_values_is_read_and_never_run(tmp_path: Path) -> None:
    with imported() as program:
        text = f"A=$(touch {tmp_path}/run)"
        with pytest.raises(program.RenderError, match="put A in single quotes"):
            program.read_env(text)
        assert not (tmp_path / "run").exists()
        lines = "# note\n\nA=a b # note\nB='a $b # c' # note\nC=\"x y\"\nexport D=a#b\nE=\n"
        assert program.read_env(lines) == {"A": "a b", "B": "a $b # c", "C": "x y", "D": "a#b", "E": ""}


@pytest.mark.parametrize(
    "line", ["A=a$b", "A= # note", 'A="a$b"', "A=a\\b", "A='it's'", "A='open", "not a line"]
)
def test_a_line_that_compose_would_read_in_another_way_is_refused(line: str) -> None:
    with imported() as program, pytest.raises(program.RenderError, match="line 1"):
        program.read_env(line)


def test_prometheus_finds_as_many_workers_as_an_autoscaler_may_start(folder: Path) -> None:
    write_env(folder, SITE | {"AUTOSCALE_MAX": "3"})
    assert render(folder).returncode == 0
    text = (folder / "rendered/prometheus/prometheus.yaml").read_text()
    jobs = {job["job_name"]: job.get("dns_sd_configs", ()) for job in yaml.safe_load(text)["scrape_configs"]}
    assert [found["port"] for found in jobs["autoscaled-worker"]] == [9101, 9102, 9103]
    assert [found["port"] for found in jobs["autoscale"]] == [9100]
