"""PII_KEY makes digests, which no key opens: what a change of it loses, and the way around."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command

from jobs.models import Job
from models_registry import selectors
from tests.support import payload_keys
from tests.support.factories import make_version
from tests.support.submit import submit_to

SCHEMA = {"type": "object", "properties": {"who": {"type": "string", "x-subject": True}}}
OLD, NEW = b"o" * 32, b"n" * 32


def erase(who: str) -> str:
    out = StringIO()
    call_command("erase", "--client", "tests", "--subject", who, stdout=out)
    return out.getvalue()


def test_after_a_change_older_jobs_of_a_subject_are_found_by_the_old_key_alone(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload_keys.use(monkeypatch, pii_key=OLD)
    selectors.forget()
    make_version("notes", input_schema=SCHEMA)
    before = submit_to("notes", {"who": "anna"}).id
    payload_keys.use(monkeypatch, pii_key=NEW)
    after = submit_to("notes", {"who": "anna"}).id
    assert "1 of 1 jobs are erased" in erase("anna")
    erased = Job.objects.filter(erased_at__isnull=False).values_list("id", flat=True)
    assert [*erased] == [after]
    payload_keys.use(monkeypatch, pii_key=OLD)
    assert "1 of 1 jobs are erased" in erase("anna")
    assert {*erased.all()} == {before, after}
