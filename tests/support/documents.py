"""The project's documents as a test reads them, and the names in the code that they should hold."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from django.core.management import get_commands
from markdown_it.token import Token

from inference_site.config import Config, setting_rows
from inference_site.documents import FOLDER, PARSER, document_of
from models_registry.core.options import option_rows
from models_registry.loaders.loader_options import loader_option_rows

ROOT = FOLDER.parents[1]
APPS = ("inference_site", "jobs", "models_registry")
PAGES = sorted(FOLDER.glob("*.md"))
FILES = [
    *(
        ROOT / name
        for name in (
            "README.md",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
            "compose/RUNBOOKS.md",
            "compose/PROCEDURES.md",
            "compose/ROLLOUT.md",
        )
    ),
    *PAGES,
]
SETTING = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
NOT_OURS = frozenset({"PATH", "PYTHONPATH"})  # what any process has


@dataclasses.dataclass(frozen=True)
class Fence:
    """A block of code and the language that it is marked with."""

    language: str
    text: str


class Written:
    """One document: its links, its code, its anchors and its tables."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text("utf-8")
        self._tokens = PARSER.parse(self.text)

    @property
    def links(self) -> list[str]:
        return [str(token.attrGet("href")) for token in _flat(self._tokens) if token.type == "link_open"]

    @property
    def code(self) -> list[str]:
        """Every piece of code, in a line or in a block."""
        kinds = {"code_inline", "fence", "code_block"}
        return [token.content for token in _flat(self._tokens) if token.type in kinds]

    @property
    def spans(self) -> list[str]:
        """Code within a line."""
        return [token.content for token in _flat(self._tokens) if token.type == "code_inline"]

    @property
    def fences(self) -> list[Fence]:
        return [Fence(token.info, token.content) for token in self._tokens if token.type == "fence"]

    def fences_of(self, title: str) -> list[Fence]:
        """The blocks of code of a section, in order."""
        return [
            Fence(token.info, token.content)
            for token in PARSER.parse(self.section(title))
            if token.type == "fence"
        ]

    @property
    def anchors(self) -> set[str]:
        return {heading.anchor for heading in document_of(self.text).headings}

    def section(self, title: str) -> str:
        """The text under a heading, down to the next one."""
        _, _, rest = self.text.partition(f"# {title}\n")
        return re.split(r"\n#+ ", rest)[0]

    @property
    def rows(self) -> Iterator[list[str]]:
        """The rows of its tables, as the Markdown of their cells."""
        for line in self.text.splitlines():
            if line.startswith("| ") and not line.startswith("|---"):
                yield [cell.strip() for cell in line.strip("|").split("|")]


@cache
def written(path: Path) -> Written:
    return Written(path)


def page(name: str) -> Written:
    return written(FOLDER / f"{name}.md")


def shown_model(document: Written, name: str) -> str:
    """The Python code that a document asks to save as NAME.py."""
    code = re.search(rf"`{name}\.py`.*?```python\n(.*?)```", document.text, re.DOTALL)
    assert code, f"{document.path.name} shows no {name}.py"
    return code[1]


def our_commands() -> set[str]:
    return {name for name, app in get_commands().items() if app in APPS}


@cache
def configured() -> dict[str, Any]:
    """The settings that Config reads, each with the value of a process that sets none."""
    config = Config()
    return {row.name: getattr(config, row.name.lower()) for row in setting_rows()}


def read_elsewhere() -> set[str]:
    """The environment variables that the code reads or sets outside its configuration."""
    return {name for path in sources() for name in _environ_names(ast.parse(path.read_text()))} - NOT_OURS


def option_names() -> dict[str, set[str]]:
    """The names that a version's options may have, by the section of the document that lists them."""
    names = [row.name for row in option_rows()]
    return {
        "Options": {name for name in names if "." not in name},
        "Retry": _names_inside("retry", names),
        "Breaker": _names_inside("breaker", names),
        "Of the loaders": {row.name for _, row in loader_option_rows()},
    }


def _names_inside(option: str, names: Iterable[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith(f"{option}.")}


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders or APPS for path in sorted((ROOT / folder).rglob("*.py"))]


def words_of_the_project() -> set[str]:
    """Every setting, and every word in capitals in the code, in compose and in the Makefile."""
    others = [ROOT / "Makefile", *(path for path in (ROOT / "compose").iterdir() if path.is_file())]
    tests = sorted((ROOT / "tests").rglob("*.py"))
    words = {word for path in (*sources(), *others, *tests) for word in SETTING.findall(path.read_text())}
    return words | set(configured())


def _flat(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or ())


def _environ_names(tree: ast.Module) -> Iterator[str]:
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for key in _keys(tree, "environ"):
        name = constants.get(key.id) if isinstance(key, ast.Name) else getattr(key, "value", None)
        if isinstance(name, str):
            yield name


def _keys(tree: ast.Module, mapping: str) -> Iterator[ast.expr]:
    """Yield what `mapping.get(…)`, `mapping.setdefault(…)`, `mapping[…]` and `… in mapping` ask for."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=where, attr="get" | "setdefault"), args=[key, *_]):
                found = where, key
            case ast.Subscript(value=where, slice=key):
                found = where, key
            case ast.Compare(left=key, ops=[ast.In()], comparators=[where]):
                found = where, key
            case _:
                continue
        if _name(found[0]) == mapping:
            yield found[1]


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
