"""Each case runs in a process of its own, because a process has one configuration of logs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inference_site.config import Config
from inference_site.logs.log_config import logging_config
from inference_site.process_needs import Process

ROOT = Path(__file__).parents[4]
ENV = {
    "PATH": os.environ["PATH"], "DATABASE_URL": "postgresql://nobody/none", "SECRET_KEY": "x",
    "BROKER_URL": "amqp://nobody", "DJANGO_SETTINGS_MODULE": "inference_site.settings",
}  # fmt: skip


def ran(code: str, status: int = 0, *, command: str = "relay", **env: str) -> str:
    start = f"import sys; sys.argv = ['manage.py', '{command}']; import inference_site.settings\n"
    words = [sys.executable, "-c", start + code]
    ended = subprocess.run(
        words, env=ENV | env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == status, ended.stderr
    return ended.stdout + ended.stderr


def lines(code: str, status: int = 0, **env: str) -> list[dict[str, Any]]:
    text = ran(code, status, LOG_FORMAT="json", **env)
    return [json.loads(line) for line in text.splitlines()]


def test_all_that_a_process_prints_warns_and_raises_is_a_line_of_json() -> None:
    code = """
import logging, threading, warnings
print("printed\\nat once"); print("to stderr", file=sys.__stderr__)
warnings.warn("mind", stacklevel=1)
logging.getLogger("jobs.x").debug("ours")
for name in ("amqp", "kombu", "botocore.endpoint", "django.db.backends", "psycopg", "celery.pool"):
    logging.getLogger(name).debug("what a user sent")
logging.getLogger("django.request").warning("Not Found: /a/path")
logging.getLogger("django.request").error("failed", exc_info=ValueError("why"))
logging.getLogger("django.security").warning("theirs")
thread = threading.Thread(target=lambda: 1 / 0, name="worker"); thread.start(); thread.join()
class Ends:
    def __del__(self): raise ValueError("late")
Ends()
raise RuntimeError("the last")
"""
    every = lines(code, status=1, LOG_LEVEL="debug")
    found = [(line["level"], line["logger"], line["message"]) for line in every]
    assert found[:2] == [("INFO", "stdout", "printed\nat once"), ("WARNING", "stderr", "to stderr")]
    assert found[2][:2] == ("WARNING", "py.warnings")
    assert "UserWarning: mind" in found[2][2]
    assert found[3:] == [
        ("DEBUG", "jobs.x", "ours"),
        ("ERROR", "django.request", "failed"),
        ("WARNING", "django.security", "theirs"),
        ("CRITICAL", "uncaught", "an error ends the thread worker"),
        ("ERROR", "uncaught", "an error that cannot be caught"),
        ("CRITICAL", "uncaught", "an error ends this process"),
    ]
    assert every[-1]["exception"].endswith("RuntimeError: the last")
    assert {line["process"] for line in every} == {"relay"}


def test_what_django_refuses_quotes_nothing_of_the_call_and_has_no_traceback() -> None:
    code = """
import logging
log = logging.getLogger("django.security.DisallowedHost")
log.error("Invalid HTTP_HOST header: %r.", "secret", exc_info=ValueError("secret"))
logging.getLogger("django.security.csrf").warning("Forbidden (%s): %s", "no cookie", "/admin/secret\\nline")
logging.getLogger("django.security.TooManyFieldsSent").error("secret", exc_info=ValueError("secret"))
"""
    every = lines(code)
    assert [(line["level"], line["message"]) for line in every] == [
        ("WARNING", "a call is refused: its Host header names no host of ALLOWED_HOSTS"),
        ("WARNING", "a call is refused: its form lacks the CSRF token"),
        ("WARNING", "a call is refused: TooManyFieldsSent"),
    ]
    assert "secret" not in str(every)


def test_what_a_model_with_confidential_data_says_is_in_no_line() -> None:
    code = """
import logging, threading, warnings
from jobs.worker.quiet import install, quiet
install()
def raises(): raise ValueError("a-word-of-a-payload")
class Ends:
    def __del__(self): raises()
with quiet(on=True):
    print("a-word-of-a-payload"); sys.stderr.write("a-word-of-a-payload\\n")
    warnings.warn("a-word-of-a-payload", stacklevel=1)
    logging.getLogger("model").error("a-word-of-a-payload", extra={"job": "a-word-of-a-payload"})
    try: raises()
    except ValueError: logging.getLogger("model").exception("failed")
    thread = threading.Thread(target=raises); thread.start(); thread.join()
    Ends()
print("afterwards")
"""
    found = lines(code)
    assert "a-word-of-a-payload" not in str(found)
    assert [line["logger"] for line in found] == [
        "py.warnings", "model", "model", "jobs.worker.quiet", "uncaught", "stdout",
    ]  # fmt: skip


def test_a_sentence_that_ends_a_process_is_a_line_too() -> None:
    (line,) = lines(
        "raise SystemExit('error: no key')", status=1, PROCESS_NAME="relay-2", LOG_LEVEL="critical"
    )
    assert (line["message"], line["process"]) == ("error: no key", "relay-2")


def test_people_get_text_unless_they_ask_for_json() -> None:
    text = ran("import logging; print('plain'); logging.getLogger('jobs.x').info('ours')")
    assert text.startswith("plain\n")
    assert text.endswith(" INFO jobs.x: ours\n")


def test_what_a_command_prints_is_not_a_log() -> None:
    assert ran("print('the token')", command="create_token", LOG_FORMAT="json") == "the token\n"


@pytest.mark.parametrize(
    ("level", "ours", "servers", "others"),
    [("debug", 10, 20, 30), ("info", 20, 20, 30), ("warning", 30, 30, 30), ("error", 40, 40, 40)],
)
def test_libraries_that_write_what_users_sent_stay_quiet_at_every_level(
    level: str, ours: int, servers: int, others: int
) -> None:
    found = logging_config(Config.from_env({"LOG_LEVEL": level}), Process.RELAY)
    levels = {name: logger.get("level") for name, logger in found["loggers"].items()}
    assert (levels["jobs"], levels["access"]) == (ours, ours)
    assert (levels["celery"], found["root"]["level"]) == (servers, others)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("LOG_LEVEL", "loud", "LOG_LEVEL is 'loud'; it must be"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT is 'xml'; it must be"),
    ],
)
def test_a_wrong_value_is_a_mistake_with_the_right_ones(name: str, value: str, sentence: str) -> None:
    mistakes = Config.from_env(ENV | {name: value}).mistakes
    assert [mistake for mistake in mistakes if mistake.startswith(sentence)], mistakes
    assert (
        Config.from_env(ENV | {name: value.replace("loud", "Warning").replace("xml", "JSON")}).mistakes == ()
    )
