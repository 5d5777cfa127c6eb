import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from jobs.worker import process_marks


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    config = replace(settings.INFERENCE, health_dir=str(tmp_path / "health"))
    monkeypatch.setattr(settings, "INFERENCE", config)
    return tmp_path / "health"


def test_a_mark_tells_how_long_ago_the_work_was_done(folder: Path) -> None:
    process_marks.leave("cpu@host")
    then = time.time() - 30
    os.utime(folder / "cpu@host", (then, then))
    age_s = process_marks.age_s("cpu@host")
    assert age_s == pytest.approx(30, abs=2)
    process_marks.leave("cpu@host")
    assert process_marks.age_s("cpu@host") == pytest.approx(0, abs=2)


def test_a_process_that_did_nothing_yet_has_no_mark() -> None:
    assert process_marks.age_s("beat") is None


def test_the_folder_is_this_user_s_alone(folder: Path) -> None:
    process_marks.leave("beat")
    assert folder.stat().st_mode & 0o777 == 0o700


def test_another_user_who_takes_the_usual_folder_first_ends_no_process_and_leaves_no_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, health_dir=""))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "beat").touch()
    usual = tmp_path / f"inference-health-{os.getuid()}"
    for linked in (True, False):
        usual.symlink_to(theirs) if linked else usual.touch()
        process_marks.leave("cpu@host")
        assert process_marks.age_s("beat") is None
        usual.unlink()
    assert not (theirs / "cpu@host").exists()
    process_marks.leave("beat")
    assert process_marks.age_s("beat") is not None
