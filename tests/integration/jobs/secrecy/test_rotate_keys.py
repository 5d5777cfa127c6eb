"""Rotation wraps data keys again under the first key, while jobs run; payloads stay as they are."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from django.core.management import CommandError, call_command

from jobs.checks import NO_KEY, check_payload_keys
from jobs.core.payloads.job_keys import DataKeyName
from jobs.core.submission.request import JobRequest
from jobs.models import DataKey, Event, Job, JobInput, JobResult
from jobs.payloads import data_keys, vault
from jobs.services.access.data_key_rows import StoredDataKeys
from jobs.services.reads.job_views import job_view
from jobs.services.retention import rotate_keys
from jobs.services.retention.rotate_keys import rotate_payload_keys
from jobs.services.submission.submit import submit_job
from models_registry.core.registry_errors import RegistrationError
from models_registry.services import register_version
from tests.integration.jobs.secrecy.stored_objects import names
from tests.support.payload_keys import MODEL, NEW, OLD, SCHEMA, submit, use
from tests.support.submit import owner
from tests.support.worker import run

INPUT = {"text": "open-sesame"}
LARGE = {"text": "open-sesame" * 10_000}


def output(job_id: object) -> bytes:
    view = job_view(job_id, client_id=None)  # type: ignore[arg-type]
    assert view is not None
    return bytes(view["output"])


def wrapped_by() -> set[str]:
    return set(DataKey.objects.values_list("wrapped_by", flat=True))


def submit_for(*clients: str) -> None:
    for client in clients:
        submit_job(owner=owner(client), request=JobRequest(model=MODEL, input=INPUT))


@pytest.mark.parametrize("batch", [1, 500])
def test_after_a_rotation_the_old_key_is_needed_no_more_and_no_payload_was_touched(
    session: sa.Connection, folder: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    jobs = [submit({"text": str(n)}, parameters={"p": n}, metadata={"m": n}) for n in range(3)]
    large = submit(LARGE)
    run(session)
    waiting = submit(INPUT)
    submit_for("another")
    before = [list(rows.objects.order_by("pk").values("body", "encoding")) for rows in (JobInput, JobResult)]
    objects = names(folder)
    use(monkeypatch, NEW, OLD)
    report = rotate_payload_keys(actor="olga", batch=batch)
    assert (report.rows, report.looked_at, report.unreadable) == (2, 2, [])
    assert wrapped_by() == {"aesgcm:new"}
    after = [list(rows.objects.order_by("pk").values("body", "encoding")) for rows in (JobInput, JobResult)]
    assert (after, names(folder)) == (before, objects)
    use(monkeypatch, NEW)
    assert [output(job.id) for job in jobs] == [b'{"text":"%d"}' % n for n in range(3)]
    assert len(output(large.id)) > 100_000
    assert waiting.id in run(session)
    event = Event.objects.get(kind="rotate_keys")
    assert (event.actor, event.detail) == ("olga", {"rows": 2, "unreadable": 0, "encoding": "aesgcm:new"})


def test_a_rotation_that_breaks_off_can_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    submit_for("a", "b", "c", "d")
    use(monkeypatch, NEW, OLD)
    rotate_row, seen = rotate_keys._rotate, list[int]()

    def breaks(*words: object) -> None:
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(1)
        rotate_row(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(rotate_keys, "_rotate", breaks)
    with pytest.raises(KeyboardInterrupt):
        rotate_payload_keys(actor="olga", batch=1)
    assert DataKey.objects.filter(wrapped_by="aesgcm:new").count() == 2
    monkeypatch.setattr(rotate_keys, "_rotate", rotate_row)
    assert rotate_payload_keys(actor="olga", batch=1).rows == 2
    assert rotate_payload_keys(actor="olga", batch=1).rows == 0


def test_a_process_with_the_keys_in_the_older_order_seals_and_reads_meanwhile(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for keys in ((OLD, NEW), (NEW, OLD)):
        job = submit(INPUT)
        use(monkeypatch, *reversed(keys))
        rotate_payload_keys(actor="olga", batch=10)
        use(monkeypatch, *keys)
        vault.forget()
        run(session)
        assert output(job.id) == b'{"text":"open-sesame"}'


def test_unreadable_keys_stay_and_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    submit_for("lost", "good")
    lost = DataKey.objects.get(client__name="lost")
    DataKey.objects.filter(pk=lost.pk).update(wrapped=b"no ciphertext at all, and long enough for one")
    use(monkeypatch, NEW, OLD)
    name = f"{lost.month} of client {lost.client_id}"
    with pytest.raises(CommandError, match=f"1 data keys cannot be read and were not changed: {name}"):
        call_command("rotate_payload_keys", stdout=StringIO())
    assert sorted(DataKey.objects.values_list("client__name", "wrapped_by")) == [
        ("good", "aesgcm:new"),
        ("lost", "aesgcm:old"),
    ]


def test_a_data_key_pasted_into_the_row_of_another_client_opens_nothing(session: sa.Connection) -> None:
    submit_for("mine", "theirs")
    theirs = DataKey.objects.get(client__name="theirs")
    DataKey.objects.filter(client__name="mine").update(wrapped=theirs.wrapped)
    vault.forget()
    run(session)
    codes = dict(Job.objects.values_list("client__name", "error_code"))
    assert codes == {"mine": "payload_unreadable", "theirs": ""}


def test_a_client_has_one_data_key_a_month_and_a_process_reads_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = list[object]()
    find = StoredDataKeys.find

    def counted(self: StoredDataKeys, name: DataKeyName) -> Any:
        looks.append(name)
        return find(self, name)

    monkeypatch.setattr(StoredDataKeys, "find", counted)
    submit_for("a")
    submit_for(*["a"] * 5, "b")
    assert DataKey.objects.count() == 2
    assert len(looks) == 4  # of each client before it is made, and after
    assert data_keys.KEPT_S <= 600


def test_the_command_prints_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    submit(INPUT)
    use(monkeypatch, NEW, OLD)
    out = StringIO()
    call_command("rotate_payload_keys", "--batch", "1", stdout=out)
    assert out.getvalue() == "1 of 1 data keys were wrapped again.\n"
    use(monkeypatch)
    with pytest.raises(CommandError, match="no encryption key is configured"):
        call_command("rotate_payload_keys")
    with pytest.raises(CommandError, match="above zero"):
        call_command("rotate_payload_keys", "--batch", "0")


@pytest.fixture
def keyless(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)


def test_a_version_that_encrypts_is_not_registered_without_a_key(keyless: None) -> None:
    about: dict[str, Any] = {
        "name": "hush",
        "version": "1",
        "loader": "entry_point",
        "artifact": "models_registry.x:y",
    }
    with pytest.raises(RegistrationError, match="PAYLOAD_KEYS"):
        register_version(**about, options={"encrypt": True}, input_schema=SCHEMA)
    with pytest.raises(RegistrationError, match="encrypt is 1; it must be true or false"):
        register_version(**about, options={"encrypt": 1})


def test_a_database_check_reports_a_missing_key(keyless: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_payload_keys() == []
    (error,) = check_payload_keys(databases=["default"])
    assert (error.id, error.msg) == (
        NO_KEY,
        "PAYLOAD_KEYS is not set, and these versions are encrypted: secret:1.",
    )
    use(monkeypatch, OLD)
    assert check_payload_keys(databases=["default"]) == []
