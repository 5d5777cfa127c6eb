"""After a restore, an export of the audit says which jobs have to be erased again."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command

from jobs.models import Job
from jobs.services.erasure.erase_job import erase_job
from tests.support.factories import make_version
from tests.support.submit import submit_to


@pytest.fixture(autouse=True)
def model(folder: Path) -> None:
    make_version("echo")


def event(kind: str, job: UUID | None) -> str:
    body: dict[str, object] = {
        "id": 7,
        "job_id": job and str(job),
        "kind": kind,
        "actor": "anna",
        "detail": {},
        "at": "2026-11-29",
    }
    return json.dumps({"event": body})


def erased_again(export: Path) -> str:
    out = StringIO()
    call_command("erase", "--export", export, stdout=out)
    return out.getvalue().strip()


def erased() -> set[UUID]:
    return set(Job.objects.filter(erased_at__isnull=False).values_list("id", flat=True))


def test_jobs_that_the_export_names_are_erased_once_more_and_no_others(tmp_path: Path) -> None:
    back, before, other = (submit_to("echo", {"n": n}).id for n in range(3))
    erase_job(job_id=before, actor="anna")
    export = tmp_path / "audit"
    lines = [
        event("erase", back), event("erase", back), event("erase", before), event("erase", uuid4()),
        event("cancel", other), event("erase_subject", None),
        '{"seal": {"id": 1}}', '{"event": {"kind": "era',
    ]  # fmt: skip
    export.write_text("\n".join(lines))
    assert erased_again(export) == (
        "1 jobs are erased again; 1 were erased already, 1 are not in this database"
    )
    assert erased() == {back, before}
    assert erased_again(export) == (
        "0 jobs are erased again; 2 were erased already, 1 are not in this database"
    )


def test_without_the_file_nothing_is_done_and_the_command_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("erase", "--export", tmp_path / "none")


@pytest.mark.parametrize(
    "text", ["", "<13>1 host inference: {}", '{"kind":"erase","job_id":null}\n', "\x1f\x8b\x00"]
)
def test_another_file_is_no_export_of_which_nothing_had_to_be_erased(tmp_path: Path, text: str) -> None:
    (tmp_path / "another").write_text(text)
    with pytest.raises(CommandError, match="has no line of an export of the audit"):
        call_command("erase", "--export", tmp_path / "another")


def test_it_stands_alone(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="or --export"):
        call_command("erase", "--export", tmp_path / "audit", "--job", uuid4())
