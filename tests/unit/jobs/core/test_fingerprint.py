import traceback
from typing import Any

import pytest

from jobs.core.failures import Failure, FailureKind
from jobs.core.fingerprint import fingerprint

HERE = "test_fingerprint.py"


class OddError(Exception):
    pass


def inner(word: str) -> None:
    raise OddError(word)


def outer(word: str) -> None:
    inner(word)


def trace(word: str = "no", call: Any = outer) -> str:
    try:
        call(word)
    except Exception as error:  # noqa: BLE001
        return "".join(traceback.format_exception(error))
    raise AssertionError


def made(path: str, line: int = 7, function: str = "run", last: str = "ValueError: no") -> str:
    return (
        f'Traceback (most recent call last):\n  File "{path}", line {line}, in {function}\n    x()\n{last}\n'
    )


def test_a_fingerprint_is_the_kind_the_type_and_the_last_frame() -> None:
    assert fingerprint("poison", "OddError", trace()) == f"poison:{__name__}.OddError:{HERE}:inner"


def test_a_failure_has_a_fingerprint_by_its_kind() -> None:
    failure = Failure(FailureKind.POISON, "OddError", "no", trace())
    assert failure.fingerprint == fingerprint("poison", "OddError", trace())


def test_line_numbers_folders_and_messages_leave_no_mark() -> None:
    alike = [
        made("/srv/a/model.py", 7),
        made("/srv/b/model.py", 8),
        made("C:\\srv\\model.py", last="ValueError: 17"),
        made("/model.py", last="ValueError"),
    ]
    assert {fingerprint("poison", "c", text) for text in alike} == {"poison:ValueError:model.py:run"}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/venv/lib/python3.11/site-packages/torch/nn/functional.py", "torch/nn/functional.py"),
        ("/usr/lib/python3/dist-packages/yaml/reader.py", "yaml/reader.py"),
        ("/usr/lib/python3.11/json/decoder.py", "json/decoder.py"),
        ("/tmp/tmpab12_xyz.py", "tmp*.py"),  # noqa: S108
        ("/cache/c0ffee1234567890.py", "*.py"),
        ("<string>", "<string>"),
        ("/m/feedback.py", "feedback.py"),
        ("/m/model_v2.py", "model_v2.py"),
    ],
)
def test_a_file_s_name_has_no_varying_part(path: str, shown: str) -> None:
    assert fingerprint("poison", "c", made(path)) == f"poison:ValueError:{shown}:run"


def test_a_message_that_quotes_frames_is_not_believed() -> None:
    forged = 'no\n  File "/evil.py", line 1, in evil\nEvilError: yes'
    assert fingerprint("poison", "OddError", trace(forged)) == fingerprint("poison", "OddError", trace())


def test_the_last_exception_of_a_chain_counts() -> None:
    def chained(word: str) -> None:
        try:
            inner(word)
        except OddError as error:
            raise KeyError(word) from error

    assert fingerprint("poison", "KeyError", trace(call=chained)) == f"poison:KeyError:{HERE}:chained"


def test_without_a_frame_the_code_stands_for_the_type() -> None:
    assert fingerprint("crash", "worker_died", "") == "crash:worker_died:-"
    assert fingerprint("poison", "OddError", "a long message's tail\nand more") == "poison:OddError:-"


def test_a_traceback_that_was_cut_at_its_beginning_has_its_last_frame() -> None:
    for length in (60, 70, 80, 90):
        assert fingerprint("poison", "c", made("/m.py")[-length:]).startswith("poison:")
    cut = "st recent call last):\n" + made("/m.py").split("\n", 1)[1]
    assert fingerprint("poison", "c", cut) == "poison:ValueError:m.py:run"


def test_a_syntax_error_s_frame_names_no_function() -> None:
    text = made("/m.py", last='  File "<model>", line 1\n    x =\n       ^\nSyntaxError: bad')
    assert fingerprint("poison", "SyntaxError", text) == "poison:SyntaxError:<model>:-"


def test_a_fingerprint_fits_its_column() -> None:
    assert len(fingerprint("poison", "c", made("/m.py", function="f" * 999))) == 255
    assert len(fingerprint("poison", "c" * 999, "")) == 255


def test_any_text_has_a_fingerprint() -> None:
    for text in ("\0", "Traceback (most recent call last):", made("/m.py", last=""), "  File", "\n\n"):
        assert fingerprint("poison", "code", text).startswith("poison:")
