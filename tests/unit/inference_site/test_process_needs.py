"""Which process a command line starts, and that each refuses to start without what it must have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inference_site.process_needs import NEEDS, SECRETS, Process, process_of
from inference_site.stack.ports import free_port
from inference_site.stack.services import PROJECT
from inference_site.stack.specs import make_plan, specs

GIVEN = {
    "DATABASE_URL": "postgresql://u:p@127.0.0.1:1/n",
    "BROKER_URL": "amqp://u:p@127.0.0.1:1//",
    "SECRET_KEY": "fifty characters, none of which is known to anybody else",
    "PII_KEY": "cHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHA=",
}
CELERY = ("-m", "celery", "-A", "inference_site")
# Without --respawn-failed-workers: where a start outlasts granian's 5.5 s for a crash loop, as on slow hosts,
# it would start failing workers for ever.
GRANIAN = ("-m", "granian", "--interface", "asgi", "--workers", "2")
STARTS = {
    Process.WEB: (*GRANIAN, "--port", str(free_port()), "inference_site.asgi:application"),
    Process.RELAY: ("manage.py", "relay"),
    Process.GPU_WORKER: ("manage.py", "gpu_worker", "--cpu", "--models", "echo"),
    Process.CPU_WORKER: (*CELERY, "worker", "-Q", "cpu", "--pool", "threads"),
    Process.BEAT: (*CELERY, "beat", "--pidfile", "", "--schedule", os.devnull),
    Process.FLOWER: ("-m", "inference_site.viewer.serve_events", "--port", str(free_port())),
    Process.MIGRATE: ("manage.py", "migrate"),
}
BROKEN = {"PII_KEY": "c2hvcnQ=", "PAYLOAD_KEYS": "a:c2hvcnQ=", "SECRET_KEY": "change-me"}


def test_each_program_of_the_stack_is_known_by_its_command_line(tmp_path: Path) -> None:
    kinds = {"web": "web", "stream": "web", "gpu-worker-0": "gpu-worker"}
    for spec in specs(make_plan(run_dir=tmp_path, workers=1, login="a:b")):
        words = spec.argv[1:]
        if words[0] == "-m":  # as Python writes it into sys.argv
            ending = ".py" if "viewer" in words[1] else "/__main__.py"
            words = (words[1].replace(".", "/") + ending, *words[2:])
        assert process_of(words) == kinds.get(spec.name, spec.name)


@pytest.mark.parametrize(
    ("argv", "process"),
    [
        (["manage.py", "dead_letters", "purge-stale"], Process.OPERATOR),
        (["manage.py", "dead_letters", "show"], Process.MIGRATE),
        (["manage.py"], Process.MIGRATE),
        (["/usr/bin/celery", "-A", "x", "inspect", "ping"], Process.OPERATOR),
        ([], Process.MIGRATE),
    ],
)
def test_a_command_is_a_process_too(argv: list[str], process: Process) -> None:
    assert process_of(argv) is process


def started(name: Process, env: dict[str, str]) -> str:
    """Return what a process printed that must end by itself, and quickly, with an error."""
    ended = subprocess.run(
        [sys.executable, *STARTS[name]],
        env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "inference_site.settings"} | env,
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.returncode != 0
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("name", STARTS)
def test_a_process_without_what_it_must_have_ends_and_names_it(name: Process) -> None:
    needs = NEEDS[name]
    text = started(name, {})
    assert not [sentence for sentence in needs.missing({}) if sentence not in text], text


@pytest.mark.parametrize("name", [Process.WEB, Process.CPU_WORKER, Process.GPU_WORKER])
def test_a_process_with_a_secret_that_cannot_be_used_ends_and_names_it(name: Process) -> None:
    given = {variable: value for variable, value in GIVEN.items() if variable in NEEDS[name].names}
    text = started(name, given | BROKEN)
    for variable, value in BROKEN.items():
        assert variable in text
        assert value not in text.replace("example's value, change-me", "")


def test_every_secret_belongs_to_a_process_and_no_process_has_all() -> None:
    assert set(NEEDS) == set(Process)
    assert not [name for name, needs in NEEDS.items() if needs.names == SECRETS]
    assert NEEDS[Process.FLOWER].names == {"BROKER_URL", "FLOWER_BASIC_AUTH", "FLOWER_AUTH"}
