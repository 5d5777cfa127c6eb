"""The shape of the house: no folder too full, no name twice, and unit tests that mirror the source."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APPS = ("inference_site", "jobs", "models_registry")
MOST_MODULES, MOST_TEST_MODULES = 20, 25
# A room has one of each of these; Django finds the others by their names.
SHARED_MODULES = {"__init__", "admin", "policy", "reads", "statements", "apps"}
# Django's inner classes and commands; and the app's `inference_client.Client` beside the model of that name.
SHARED_CLASSES = {"Meta", "Command", "Client"}


TESTS = ROOT / "tests"
UNIT = TESTS / "unit"
CLIENT = ROOT / "jobs/client/src"  # a distribution of its own
# Unit tests of no one module, and what each is about.
UNMIRRORED = {
    "compose/test_scripts.py": "the commands that servers run under compose/",
    "inference_site/test_compose.py": "the files under compose/",
    "inference_site/test_manifests.py": "the manifests under compose/, against their schemas",
    "inference_site/test_procedures.py": "the procedures under compose/, and their tests",
    "inference_site/watching/test_rules.py": "the rules of Prometheus under compose/, and their runbooks",
    "jobs/core/scaling/test_steady_and_diurnal.py": "the number of workers over half an hour, and over a day",
    "jobs/models/test_enumerations.py": "the enumerations of all models, and their columns",
    "jobs/test_static_files.py": "the scripts and styles under jobs/static",
    "jobs/worker/stages/test_outage.py": "the stages together while the database is away",
    "jobs/services/lifecycle/test_version_changes.py": "every statement that changes the version of a job",
    "test_documented.py": "the documents, against the names in the code",
    "test_documented_code.py": "the code in the documents",
    "test_documented_containers.py": "the commands for containers in the documents",
    "test_house.py": "the tree itself",
    "test_image.py": "the images of compose/Dockerfile, and what they hold",
    "test_imports.py": "the imports of the registry, in a process of its own",
    "test_locks.py": "the locks of dependencies, and what installs them",
    "test_sql.py": "every module that sends SQL",
}


def modules() -> Iterator[Path]:
    for app in APPS:
        yield from (path for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts)


def test_no_folder_has_more_modules_than_a_person_can_hold_in_mind() -> None:
    rooms = defaultdict[Path, list[str]](list)
    for path in modules():
        # Django finds commands in this one folder only; they are read by their names, one at a time.
        if path.stem != "__init__" and path.parent.name != "commands":
            rooms[path.parent].append(path.name)
    full = {str(room.relative_to(ROOT)): len(names) for room, names in rooms.items()}
    assert {room: count for room, count in full.items() if count > MOST_MODULES} == {}


@pytest.mark.parametrize("kind", ["modules", "classes"])
def test_no_two_share_a_name(kind: str) -> None:
    places = defaultdict[str, list[str]](list)
    for name, place in module_names() if kind == "modules" else class_names():
        places[name].append(place)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def module_names() -> Iterator[tuple[str, str]]:
    for path in modules():
        if path.stem not in SHARED_MODULES and path.parent.name != "commands":
            yield path.stem, str(path.relative_to(ROOT))


def class_names() -> Iterator[tuple[str, str]]:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name not in SHARED_CLASSES:
                yield node.name, f"{path.relative_to(ROOT)}:{node.lineno}"


def test_each_unit_test_lies_where_its_source_does() -> None:
    strays = {str(path.relative_to(UNIT)) for path in UNIT.rglob("test_*.py") if not has_source(path)}
    assert strays == set(UNMIRRORED)


def has_source(test: Path) -> bool:
    """Return whether a unit test mirrors a module or package of the source, or of tests/ itself."""
    name = (test.parent / test.stem.removeprefix("test_")).relative_to(UNIT)
    places = [root / name for root in (ROOT, TESTS, CLIENT)]
    return any(
        path.exists() for place in places for path in (place.with_suffix(".py"), place / "__init__.py")
    )


def test_no_folder_has_too_many_test_modules() -> None:
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in TESTS.rglob("test_*.py"))
    assert {folder: count for folder, count in counts.items() if count > MOST_TEST_MODULES} == {}


def test_every_room_says_what_it_is_for() -> None:
    silent = [
        str(p.relative_to(ROOT)) for p in modules() if ast.get_docstring(ast.parse(p.read_text())) is None
    ]
    assert silent == []
