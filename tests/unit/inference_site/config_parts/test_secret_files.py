"""NAME_FILE stands for NAME, strictly: a secret that cannot be read for sure is none."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from inference_site.config import Config
from inference_site.config_parts.secret_files import FLOWER_LOGIN, NAMES, SECRET_SETTINGS, with_files
from inference_site.process_needs import BUCKET, SECRETS

WORD = "postgresql://u:w0rd@h/n"
NEEDED = {"BROKER_URL": "amqp://u:p@h//", "SECRET_KEY": "fifty characters, none of which anybody else knows"}


def secret(folder: Path, text: str = WORD, mode: int = 0o600) -> str:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_file_s_text_is_the_setting_without_the_newline_at_its_end(tmp_path: Path, ending: str) -> None:
    config = Config.from_env({**NEEDED, "DATABASE_URL_FILE": secret(tmp_path, f"{WORD}{ending}")})
    assert (config.database_url, config.mistakes) == (WORD, ())


def test_spaces_that_belong_to_a_password_stay(tmp_path: Path) -> None:
    values, mistakes = with_files({"DATABASE_OWNER_PASSWORD_FILE": secret(tmp_path, " a b \n")})
    assert (values, mistakes) == ({"DATABASE_OWNER_PASSWORD": " a b "}, [])


def test_both_are_a_mistake_even_if_they_are_equal(tmp_path: Path) -> None:
    config = Config.from_env({**NEEDED, "DATABASE_URL": WORD, "DATABASE_URL_FILE": secret(tmp_path)})
    assert config.mistakes == ("DATABASE_URL and DATABASE_URL_FILE are both set: keep one.",)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602, 0o620])
def test_a_file_that_others_can_open_is_a_mistake(tmp_path: Path, mode: int) -> None:
    path = secret(tmp_path, mode=mode)
    config = Config.from_env({**NEEDED, "DATABASE_URL_FILE": path})
    assert f"DATABASE_URL_FILE: other users may read or change {path}: chmod 600." in config.mistakes
    assert config.database_url == ""


def test_a_file_that_is_not_there_is_named_and_so_is_the_setting(tmp_path: Path) -> None:
    config = Config.from_env({**NEEDED, "DATABASE_URL_FILE": f"{tmp_path}/none"})
    unread, missing = config.mistakes
    assert unread == f"DATABASE_URL_FILE: {tmp_path}/none cannot be read: No such file or directory."
    assert missing == "DATABASE_URL is not set."


def test_a_file_that_is_no_text_is_a_mistake_that_quotes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"\xffw0rd")
    path.chmod(0o600)
    _, (mistake,) = with_files({"SECRET_KEY_FILE": str(path)})
    assert mistake == f"SECRET_KEY_FILE: {path} cannot be read: it is no text."


def test_an_empty_file_counts_as_not_set(tmp_path: Path) -> None:
    config = Config.from_env({**NEEDED, "DATABASE_URL": WORD, "PAYLOAD_KEYS_FILE": secret(tmp_path, "\n")})
    assert (config.payload_keys, config.mistakes) == ((), ())


def test_a_wrong_secret_of_a_file_is_not_quoted(tmp_path: Path) -> None:
    config = Config.from_env({**NEEDED, "DATABASE_URL_FILE": secret(tmp_path, "mysql://u:w0rd@h/n")})
    assert config.mistakes[0].startswith("DATABASE_URL: must begin with postgresql://")
    assert "w0rd" not in " ".join(config.mistakes)


def test_every_secret_setting_may_be_in_a_file() -> None:
    # RABBITMQ_MANAGEMENT_URL is hidden only because a login may be in it by mistake.
    hidden = {field.name.upper() for field in fields(Config) if not field.repr} - {"RABBITMQ_MANAGEMENT_URL"}
    assert {*SECRET_SETTINGS} == hidden
    # What is not ours is read by its own library from files of its own.
    elsewhere = {*BUCKET, "PAYLOAD_VAULT_TOKEN_FILE", "FLOWER_AUTH"}
    assert SECRETS - elsewhere == {*NAMES}
    assert FLOWER_LOGIN in NAMES


@pytest.mark.parametrize(("mode", "mistakes"), [(0o440, 0), (0o640, 0), (0o660, 1), (0o644, 1)])
def test_a_file_of_root_may_be_read_by_a_group_as_kubernetes_gives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, mistakes: int
) -> None:
    path, whole = secret(tmp_path, mode=mode), Path.stat

    def of_root(self: Path) -> object:
        status = whole(self)
        return type("Status", (), {"st_mode": status.st_mode, "st_uid": 0})()

    monkeypatch.setattr(Path, "stat", of_root)
    monkeypatch.setattr("os.geteuid", lambda: 10001)
    assert len(with_files({"SECRET_KEY_FILE": path})[1]) == mistakes
