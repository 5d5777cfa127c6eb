"""Each procedure of compose/PROCEDURES.md names its test, and each named test is there."""

from __future__ import annotations

import re

import pytest

from inference_site.stack.services import PROJECT
from tests.support.documents import ROOT

TEXT = (ROOT / "compose" / "PROCEDURES.md").read_text()
_, *SECTIONS = TEXT.split("\n## ")
PLACE = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
ASKED = {
    "Back up", "Restore to a moment", "Upgrade without downtime", "Upgrade RabbitMQ from 4.2 to 4.3",
    "Upgrade Postgres to another major version", "Lose a zone", "Rotate SECRET_KEY", "Rotate PII_KEY",
    "Rotate PAYLOAD_KEYS", "Rotate a password of the database", "Rotate a password of the broker",
    "Rotate tokens and secrets of webhooks", "Rotate TLS certificates", "Rotate FLOWER_BASIC_AUTH",
    "Rotate secrets that others make",
}  # fmt: skip


def test_there_is_a_procedure_for_all_that_is_asked_for() -> None:
    assert {section.partition("\n")[0] for section in SECTIONS} == ASKED


@pytest.mark.parametrize("section", SECTIONS, ids=lambda text: text.partition("\n")[0])
def test_a_procedure_names_its_test_and_the_test_is_there(section: str) -> None:
    _, said, tested = section.partition("**Tested by.**")
    assert said, "say which test does the same"
    named = PLACE.findall(tested.partition("**Not tried.**")[0])
    assert named or "make smoke" in tested
    lost = [
        f"{path}::{test}"
        for path, test in PLACE.findall(section)
        if not (PROJECT / path).exists() or (test and f"def {test}(" not in (PROJECT / path).read_text())
    ]
    assert lost == []


def test_every_test_of_a_procedure_is_named_by_one() -> None:
    tests = (ROOT / "tests" / "integration" / "procedures").glob("test_*.py")
    files = {f"tests/integration/procedures/{path.name}" for path in tests}
    assert files - {path for path, _ in PLACE.findall(TEXT)} == set()
    assert files
