"""The documents' commands for containers name services that there are, and go through what they need."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.support import compose_files
from tests.support.compose_files import COMPOSE, OVERLAYS
from tests.support.documents import FILES, written

SERVICES = set(compose_files.services(*OVERLAYS))
COMMAND = re.compile(r"docker compose (?P<words>.+)")
NAMES_ONE = {"exec", "run"}
NAMES_SOME = {"logs", "ps", "stop", "rm", "up", "restart"}
WITH_VALUE = {"-f", "-e", "-v", "--tail", "--scale", "--entrypoint", "--user", "-u"}
FILES_OF_COMPOSE = sorted({*COMPOSE.glob("*.yaml"), COMPOSE / "Dockerfile", *FILES})


def commands(text: str) -> list[list[str]]:
    """The words after `docker compose` of each command; those of a comment behind it are none."""
    joined = text.replace("\\\n", " ")
    found = [match["words"].partition("  #")[0] for match in COMMAND.finditer(joined)]
    return [shlex.split(words) for words in found]


def places(words: list[str]) -> list[str]:
    """The words that are no options, and no values of options."""
    kept, skip = list[str](), False
    for word in words:
        if skip:
            skip = False
        elif word in WITH_VALUE:
            skip = True
        elif not word.startswith("-"):
            kept.append(word)
    return kept


def shown(path: Path) -> list[list[str]]:
    if path.suffix == ".md":
        return [words for code in written(path).code for words in commands(code)]
    return commands("\n".join(line.lstrip("# ") for line in path.read_text().splitlines() if "#" in line))


def named(value: str | list[str]) -> str:
    return value if isinstance(value, str) else " ".join(value)[:60]


SHOWN = [
    (path.name, words) for path in FILES_OF_COMPOSE if path.name != "CHANGELOG.md" for words in shown(path)
]


@pytest.mark.parametrize(("file", "words"), SHOWN, ids=named)
def test_a_command_names_services_that_there_are(file: str, words: list[str]) -> None:
    action, *services = places(words)
    if action in NAMES_ONE:
        services = services[:1]
        assert services, (file, words)
    if action in NAMES_ONE | NAMES_SOME:
        assert set(services) <= SERVICES, (file, words)


@pytest.mark.parametrize(("file", "words"), SHOWN, ids=named)
def test_a_command_of_rabbitmq_speaks_tls_with_the_nodes(file: str, words: list[str]) -> None:
    action, *rest = places(words)
    if action == "exec" and rest[0].startswith("rabbitmq"):
        assert rest[1] == "/start.sh", (file, words)


def test_there_are_such_commands() -> None:
    assert len(SHOWN) > 30
    assert {words[0] for _, words in SHOWN} >= {"exec", "run", "up", "ps"}
