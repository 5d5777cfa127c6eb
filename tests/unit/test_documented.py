"""What the documents name exists, and what an operator or a model's owner can set is named there."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands

from inference_site.config_parts.secret_files import FLOWER_LOGIN
from jobs.api.docs.problem_docs import ANYWHERE, REFUSALS
from jobs.api.problems import STATUS
from jobs.core.states import TRANSITIONS
from tests.benchmarks.__main__ import BENCHMARKS
from tests.support.documents import (
    APPS,
    FILES,
    PAGES,
    ROOT,
    SETTING,
    Written,
    configured,
    option_names,
    our_commands,
    page,
    read_elsewhere,
    sources,
    words_of_the_project,
    written,
)

MOST_README_LINES = 90
MAKE = re.compile(r"\bmake ([a-z][a-z-]*)")
MANAGE = re.compile(r"manage\.py ([a-z_]+)")
COMPOSITE = re.compile(r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=.*)?")
PLACE = re.compile(r"(?:inference_site|jobs|models_registry|tests|compose)/[\w./*-]*")
UNSET = ("", (), b"")
OF_OTHERS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "FLOWER_BASIC_AUTH"}

every_document = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= MOST_README_LINES


@every_document
def test_every_link_leads_to_a_file_and_to_a_heading_in_it(path: Path) -> None:
    assert [link for link in written(path).links if not leads_somewhere(path, link)] == []


def leads_somewhere(path: Path, link: str) -> bool:
    if link.startswith("https://"):
        return True
    name, _, anchor = link.partition("#")
    target = (path.parent / name).resolve() if name else path
    if not target.exists():
        return False
    return not anchor or anchor in written(target).anchors


@every_document
def test_every_row_of_a_table_has_the_cells_of_its_head(path: Path) -> None:
    """A row that a merge put into another table, or cut in two, is seen by its cells."""
    tables, within = list[list[str]](), False
    for line in path.read_text().splitlines():
        if line.startswith("|") and not within:
            tables.append([])
        within = line.startswith("|")
        if within:
            tables[-1].append(line)
    odd = [row for head, *rows in tables for row in rows if cells(row) != cells(head)]
    assert odd == []


def cells(row: str) -> int:
    return len(re.findall(r"(?<!\\)\|", row)) - 1


@every_document
def test_every_make_target_and_command_that_is_named_exists(path: Path) -> None:
    text = "\n".join(written(path).code)
    assert set(MAKE.findall(text)) - targets() == set()
    assert set(MANAGE.findall(text)) - set(get_commands()) == set()


@every_document
def test_every_name_in_capitals_is_one_of_the_code(path: Path) -> None:
    matches = (COMPOSITE.fullmatch(span) for span in written(path).spans)
    names = {match[1] for match in matches if match}
    assert names - words_of_the_project() - OF_OTHERS == set()


@every_document
def test_every_place_that_is_named_exists(path: Path) -> None:
    places = [span for span in written(path).spans if PLACE.fullmatch(span)]
    assert [place for place in places if not list(ROOT.glob(place.rstrip("/")))] == []


def test_every_line_of_the_threat_model_points_to_a_test_that_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page("security").text)
    lost = {
        f"{path}::{test}"
        for path, test in named
        if not (ROOT / path).exists() or (test and f"def {test}(" not in (ROOT / path).read_text())
    }
    assert lost == set()
    assert len(named) > MOST_README_LINES


def test_every_command_and_make_target_is_in_the_operator_s_tables() -> None:
    text = "\n".join(page("operations").code)
    assert our_commands() - set(MANAGE.findall(text)) == set()
    assert targets() - set(MAKE.findall(text)) == set()


def documented_settings() -> dict[str, str]:
    """The default of each setting, as the tables have it."""
    _, _, section = page("operations").text.partition("\n## Settings\n")
    section = section.partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \| (.+?) \|", section, re.MULTILINE)
    return {name: default for names, default in rows for name in SETTING.findall(names)}


def test_every_setting_is_in_the_operator_s_tables_and_no_other() -> None:
    assert set(documented_settings()) == set(configured()) | read_elsewhere() | {FLOWER_LOGIN}


def test_the_tables_have_each_setting_s_own_default() -> None:
    tables = documented_settings()
    own = {name: value for name, value in configured().items() if value not in UNSET}
    assert {name: plain(tables[name]) for name in own} == {
        name: spelled(value) for name, value in own.items()
    }


def plain(cell: str) -> str:
    return re.sub(r"(?<=\d),(?=\d)", "", cell.strip("`"))


def spelled(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize(("section", "names"), option_names().items())
def test_every_option_of_a_version_is_in_the_owner_s_tables(section: str, names: set[str]) -> None:
    rows = re.findall(r"^\| (.*?) \| (.*?) \|", page("models").section(section), re.MULTILINE)
    column = 1 if section == "Of the loaders" else 0
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row[column])}
    assert names - listed == set()


def test_every_problem_is_in_the_table_for_apps_and_no_other() -> None:
    rows = [row for row in page("api").rows if row[0].isdigit()]
    codes = {code for row in rows for code in re.findall(r"`(\w+)`", row[1])}
    kinds = {*STATUS, *ANYWHERE, *(kind for kinds in REFUSALS.values() for kind in kinds)}
    assert codes == {kind.code for kind in kinds}


def test_the_table_of_states_is_the_one_of_the_code() -> None:
    rows = [row for row in page("architecture").rows if len(row) == 3 and row[1].startswith("`")]
    table = {
        (start, verb, end)
        for starts, ends, by in rows
        for verb in set(re.findall(r"[a-z_]+", by)) & {verb.value for verb in TRANSITIONS}
        for start in re.findall(r"\w+", starts)
        for end in re.findall(r"\w+", ends)
    }
    own = ((starts, verb, ends) for verb, (starts, ends) in TRANSITIONS.items())
    assert table == {(s or "none", verb, end) for starts, verb, ends in own for s in starts for end in ends}


def test_every_benchmark_has_a_row_and_every_row_a_benchmark() -> None:
    named = {row[0].strip("`") for row in page("benchmarks").rows if len(row) == 2} - {"name"}
    assert named == set(BENCHMARKS)
    commands = {row[1] for row in page("benchmarks").rows if len(row) == 6} - {"command"}
    assert set(re.findall(r"`([a-z]+)`", " ".join(commands))) <= set(BENCHMARKS)


def test_every_room_is_in_the_picture_of_the_tree_and_no_other() -> None:
    rooms = {path.parent.relative_to(ROOT) for path in sources() if path.name == "__init__.py"}
    rooms = {room for room in rooms if not {"migrations", "commands"} & set(room.parts)}
    tree = next(code for code in page("architecture").code if "simulation/" in code)
    assert {room for room in drawn(tree) if room.parts[0] in APPS and room.name != "commands"} == rooms


def drawn(tree: str) -> Iterator[Path]:
    """Yield the folders of a picture that indents each by two more than its parent."""
    above: list[str] = []
    for line in tree.splitlines():
        depth, folders = (len(line) - len(line.lstrip())) // 2, re.match(r"\s*((?:\w+/ ?)+)", line)
        for name in folders[1].split() if folders else ():
            above = [*above[:depth], name.rstrip("/")]
            yield Path(*above)


def test_every_import_contract_is_in_the_table_of_layers_and_no_other() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    _, _, section = page("architecture").text.partition("\n## Layers\n")
    rows = set(re.findall(r"^\| (.+?) \| ", section, re.MULTILINE)) - {"contract"}
    assert rows == {contract["name"] for contract in tool["contracts"]}


def test_the_commit_hooks_run_what_make_check_runs() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [shlex.split(hook["entry"]) for repo in config["repos"] for hook in repo["hooks"]]
    recipe = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    lines = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()[1:]]
    assert hooks == [shlex.split(line) for line in lines]


def test_a_link_to_nowhere_is_noticed() -> None:
    assert leads_somewhere(PAGES[0], "operations.md#settings")
    assert not leads_somewhere(PAGES[0], "operations.md#no-such-heading")
    assert not leads_somewhere(PAGES[0], "no-such-page.md")


def test_code_of_every_kind_is_read(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("Run `make a`.\n\n    make b\n\n```bash\nmake c\n```\n\n| x |\n|---|\n| `make d` |\n")
    assert MAKE.findall("\n".join(Written(path).code)) == ["a", "b", "c", "d"]
