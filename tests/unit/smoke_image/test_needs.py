"""Where the smoke test of the images cannot run, it says so and why, and is no success."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.smoke_image import needs
from tests.smoke_image.__main__ import main
from tests.support.did_not_run import DID_NOT_RUN


@pytest.mark.parametrize(
    ("user", "programs", "why"),
    [
        (1000, {"apt-get", *needs.PROGRAMS}, "it needs root"),
        (0, {*needs.PROGRAMS}, "there is no apt-get here"),
        (0, {"apt-get", *needs.PROGRAMS} - {"podman"}, "these packages are missing: podman"),
    ],
)
def test_a_machine_that_cannot_run_it_is_told_apart_from_success_and_failure(
    user: int,
    programs: set[str],
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in programs else None)
    monkeypatch.setattr(needs, "FILES", {})
    assert main([]) == DID_NOT_RUN
    said = capsys.readouterr().out
    assert "make smoke-image did NOT run: " in said
    assert why in said


def test_the_archive_is_the_one_that_apt_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ("http://a/ bookworm-updates main", "http://b/ bookworm contrib", "http://c/ bookworm main")
    monkeypatch.setattr(needs, "_output", lambda _: "\n".join(lines))
    assert needs.mirror() == ("http://c/", "bookworm")
    monkeypatch.setattr(needs, "_output", lambda _: "")
    with pytest.raises(needs.DidNotRunError, match="apt knows no archive"):
        needs.mirror()
