import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.core import states
from jobs.core.states import CELERY_STATES, TERMINAL, TRANSITIONS, State, Verb, sources, target

LINE = re.compile(r"^    (\w+): +([\w, ]+) -> ([\w, ]+)$", re.MULTILINE)
ARROW = re.compile(r"(\w+) ──([\w,]+)──► (\w+)")

Table = dict[str, tuple[set[str], set[str]]]


def words(text: str) -> set[str]:
    return {word.strip() for word in text.split(",")}


def the_table() -> Table:
    return {
        verb.value: ({state or "none" for state in starts}, set(ends))
        for verb, (starts, ends) in TRANSITIONS.items()
    }


def test_the_docstring_and_the_table_agree() -> None:
    text = states.__doc__ or ""
    assert {verb: (words(starts), words(ends)) for verb, starts, ends in LINE.findall(text)} == the_table()


def test_every_arrow_of_the_picture_is_in_the_table() -> None:
    arrows = ARROW.findall(
        (states.__doc__ or "").replace("──► waiting ──claim", "──► waiting\nwaiting ──claim")
    )
    assert arrows
    for before, verb, after in arrows:
        starts, ends = TRANSITIONS[Verb(verb)]
        assert State(before) in starts, (before, verb)
        assert State(after) in ends, (verb, after)


def test_every_state_is_reached_and_every_live_one_can_be_left() -> None:
    reached, frontier = set[State](), [None]
    steps = [(start, end) for starts, ends in TRANSITIONS.values() for start in starts for end in ends]
    waiting: list[State | None] = list(frontier)
    while waiting:
        here = waiting.pop()
        fresh = {end for start, end in steps if start == here} - reached
        reached |= fresh
        waiting.extend(fresh)
    assert reached == set(State)
    assert {start for start, _ in steps if start} >= set(State) - TERMINAL


def test_only_a_replay_leaves_a_terminal_state_and_nothing_leaves_success() -> None:
    leaving = {verb for verb, (starts, _) in TRANSITIONS.items() if starts & TERMINAL}
    assert leaving == {Verb.REPLAY}
    assert State.SUCCEEDED not in TRANSITIONS[Verb.REPLAY][0]
    assert {"succeeded", "dead", "cancelled", "expired"} == TERMINAL


def test_sources_are_sorted_values_without_the_missing_row() -> None:
    assert sources(Verb.CANCEL) == ["queued", "running", "waiting"]
    assert sources(Verb.ANSWER) == ["queued"]


def test_target_is_the_only_end_and_settle_has_several() -> None:
    assert target(Verb.CLAIM) is State.RUNNING
    with pytest.raises(ValueError, match="too many"):
        target(Verb.SETTLE)


def test_every_state_has_a_celery_state() -> None:
    assert set(CELERY_STATES) == set(State)
    ready = {state for state, name in CELERY_STATES.items() if name in {"SUCCESS", "FAILURE", "REVOKED"}}
    assert ready == TERMINAL


JOBS = Path(__file__).parents[4] / "jobs"
WRITES_A_STATE = re.compile(r"UPDATE jobs_job\b[^;]*\bstate\b|INSERT INTO jobs_job\b")
SPELLS_A_STATE = re.compile(f"'({'|'.join(State)})'")
TAKES_STATES = re.compile(r"from jobs.core.states import .*\b(Verb|target)\b")
OTHER_STATES = {"webhook_delivery.py"}  # a delivery's


def statements() -> Iterator[tuple[Path, str]]:
    """Yield the SQL that writes jobs; an f-string is one piece, with `?` for its fields."""
    for path in JOBS.rglob("*.py"):
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            text = sql_of(node)
            if WRITES_A_STATE.search(text):
                yield path, text


def sql_of(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_a_statement_that_writes_a_state_has_it_as_a_parameter() -> None:
    written = [(path.name, text) for path, text in statements()]
    assert len({name for name, _ in written}) > 8
    assert [(name, text) for name, text in written if SPELLS_A_STATE.search(text)] == []


def test_who_writes_jobs_takes_the_states_from_the_table() -> None:
    for path in {path for path, _ in statements()}:
        room = [module.read_text() for module in path.parent.glob("*.py")]
        assert [
            text for text in room if re.search(r"from jobs.core.states import .*\b(Verb|target)\b", text)
        ], path


def test_no_code_gives_a_row_a_state_by_its_spelling() -> None:
    spelled = [
        (path.name, node.lineno)
        for path in JOBS.rglob("*.py")
        if not {"migrations", "client", "docs"} & {*path.parts} and path.name not in OTHER_STATES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "state" and isinstance(keyword.value, ast.Constant)
    ]
    assert spelled == []
