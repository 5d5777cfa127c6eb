import warnings

import pytest

from jobs.core.job_error import error_of, for_caller
from jobs.core.states import State

FAILED = {"kind": "invalid", "code": "empty", "message": "The text is empty.", "reason": "never retried"}
NOTHING = {"kind": "", "code": "", "message": "", "reason": ""}

IN_SCRIPT = """The following operation failed in the TorchScript interpreter.
Traceback of TorchScript, original code (most recent call last):
  File "/srv/secret/net.py", line 4, in forward
    weights = 3
    ~~~~~~~~~~~ <--- HERE
    return weights
builtins.ValueError: too long
"""
IN_TORCH = """Expected x > 0
Exception raised from check at /pytorch/aten/a.cpp:3 (most recent call first):
frame #0: c10::Error + 0x3 (0x7f in /opt/lib/libc10.so)"""
IN_XGBOOST = """[08:00:00] /workspace/src/learner.cc:9: Check failed: n == m
Stack trace:
  [bt] (0) /opt/x.so"""


def test_a_dead_job_s_error_is_its_last_failure() -> None:
    assert error_of(State.DEAD, **FAILED) == ("invalid", "empty", "The text is empty.", "never retried")


def test_a_job_that_has_not_failed_has_none() -> None:
    for state in (State.QUEUED, State.WAITING, State.RUNNING, State.SUCCEEDED):
        assert error_of(state, **FAILED) is None


@pytest.mark.parametrize("row", [NOTHING, {**NOTHING, "kind": "timeout", "code": "deadline"}])
def test_an_expired_job_says_that_its_deadline_passed(row: dict[str, str]) -> None:
    error = error_of(State.EXPIRED, **row)
    assert error is not None
    assert (error.kind, error.code) == ("timeout", "deadline")
    assert "deadline passed" in error.detail


@pytest.mark.parametrize(
    ("code", "shown", "detail"),
    [("cancelled", "cancelled", "API"), ("revoked", "revoked", "Celery"), ("oom", "cancelled", "API")],
)
def test_a_cancelled_job_says_how_it_was_cancelled(code: str, shown: str, detail: str) -> None:
    error = error_of(State.CANCELLED, **{**FAILED, "code": code})
    assert error is not None
    assert (error.kind, error.code, error.reason) == ("cancelled", shown, "")
    assert detail in error.detail


def test_a_caller_reads_what_a_torchscript_program_raised_and_not_its_source() -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        program = torch.jit.CompilationUnit("""
def strict(x: Tensor) -> Tensor:
    if x.size(0) > 2:
        raise ValueError("too long")
    return x @ torch.zeros(4, 2)
""")
    for size, words in (
        (3, "ValueError: too long"),
        (1, "RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
    ):
        with pytest.raises(Exception, match="TorchScript") as caught:
            program.strict(torch.zeros(size))
        assert for_caller(str(caught.value)).startswith(words)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("no file /srv/models/minilm/model.safetensors", "no file model.safetensors"),
        (
            "[Errno 2] No such file or directory: '/app/jobs/worker/x.py'",
            "[Errno 2] No such file or directory: 'x.py'",
        ),
        ("/root/.cache/hf: Permission denied", "hf: Permission denied"),
        ('broke\nTraceback (most recent call last):\n  File "/opt/a.py", line 3\nValueError: x', "broke"),
        (IN_SCRIPT, "ValueError: too long"),
        ('Traceback of TorchScript (most recent call last):\n  File "code/__torch__.py", line 4', ""),
        (IN_TORCH, "Expected x > 0"),
        (IN_XGBOOST, "[08:00:00] learner.cc:9: Check failed: n == m"),
        ("'/scores/3' is not finite", "'/scores/3' is not finite"),
        ("see https://example.com/home/x", "see https://example.com/home/x"),
        ("a/b and 1/2", "a/b and 1/2"),
        ("", ""),
    ],
)
def test_a_caller_reads_the_message_without_the_host_s_folders(message: str, shown: str) -> None:
    assert for_caller(message) == shown
