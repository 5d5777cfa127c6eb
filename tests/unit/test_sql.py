"""SQL has one home: `jobs.db.statement` runs every statement, and rows are read by their columns' names."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The modules that run SQL themselves, and why they may.
ALLOWED = {
    "jobs/result_backend.py": "Celery's result backend stays on SQLAlchemy's expressions",
    "jobs/services/access/database_roles.py": "the SQL that makes a role takes no parameters",
    "jobs/services/access/results_role.py": "the SQL that makes a role takes no parameters",
    "jobs/services/retention/kept_report.py": "the names of tables and columns come from the catalogue",
}
DIRECT = {"execute", "executemany", "exec_driver_sql", "scalar", "scalars", "cursor", "raw"}
RUNNERS = {"run", "execute", "fetch_all", "fetch_async"}
# Those that a job passes through on its way.
HOT = (
    "jobs/services/lifecycle/claim.py",
    "jobs/services/lifecycle/settle.py",
    "jobs/services/lifecycle/settle_answers.py",
    "jobs/services/relay/statements.py",
    "jobs/services/submission/shared_statements.py",
    "jobs/services/submission/statements.py",
)
TEXT_LIST = re.compile(r"%\(\w+\)s::\w+\[\]")
OUTBOX_INSERT = re.compile(r"INSERT\s+INTO\s+jobs_outbox|insert\(OUTBOX\)|Outbox(\.objects\.\w*create)?\(")


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield the modules of `jobs`, but for its migrations and `jobs.db`."""
    for path in sorted((ROOT / "jobs").rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if not name.startswith(("jobs/migrations/", "jobs/db/")):
            yield name, ast.parse(path.read_text())


def test_no_module_runs_sql_past_the_one_that_runs_statements() -> None:
    lines_by_module = offences(runs_sql, modules())
    assert {name: lines for name, lines in lines_by_module.items() if name not in ALLOWED} == {}
    assert set(ALLOWED) <= set(lines_by_module), "an allowance that nothing needs"


def test_no_row_is_read_by_position() -> None:
    lines_by_module = offences(
        reads_by_position, ((name, tree) for name, tree in modules() if reads_sql(tree))
    )
    assert lines_by_module == {}


def test_the_statements_of_every_job_send_their_lists_in_binary() -> None:
    texts = {name: TEXT_LIST.findall((ROOT / name).read_text()) for name in HOT}
    assert {name: found for name, found in texts.items() if found} == {}


def test_one_statement_writes_an_outbox_row() -> None:
    places = {}
    for app in ("inference_site", "jobs", "models_registry"):
        for path in (ROOT / app).rglob("*.py"):
            if "migrations" not in path.parts:
                places[str(path.relative_to(ROOT))] = len(OUTBOX_INSERT.findall(path.read_text()))
    # The other is the class statement of the model.
    assert {name: count for name, count in places.items() if count} == {
        "jobs/models/outbox.py": 1,
        "jobs/services/lifecycle/enqueue.py": 1,
    }


@pytest.mark.parametrize(
    "line",
    [
        "session.execute(READ)", "sa.text('SELECT 1')",
        "with connection.cursor() as cursor: pass", "session.exec_driver_sql(read)", "session.scalars(read)",
    ],
)  # fmt: skip
def test_a_module_that_runs_sql_itself_is_detected(line: str) -> None:
    assert offences(runs_sql, [("it", ast.parse(line))])


@pytest.mark.parametrize(
    "line",
    [
        "row[3]", "row[-1]", "row[:6]", "row[EPOCH_AT]", "View(*row)", "rows[0][1]", "fetch_all(READ)[0][0]",
        "a, b = row", "*_, last = row", "((count,),) = execute(COUNT)",
        "for a, b in run(session, READ): pass", "[a for a, _ in rows]",
    ],
)  # fmt: skip
def test_a_read_of_a_row_by_position_is_detected(line: str) -> None:
    assert offences(reads_by_position, [("it", ast.parse(line))])


@pytest.mark.parametrize(
    "line",
    [
        "row.state",
        "rows[0]",
        "rows[-1].id",
        "(one,) = run(session, READ)",
        "row['id']",
        "first, *rest = jobs",
    ],
)
def test_a_read_of_a_row_by_name_is_allowed(line: str) -> None:
    assert not offences(reads_by_position, [("it", ast.parse(line))])


def offences(
    offends: Callable[[ast.AST], bool], trees: Iterator[tuple[str, ast.Module]] | list[tuple[str, ast.Module]]
) -> dict[str, list[str]]:
    """Return by module the code that offends."""
    code = {
        name: [ast.unparse(node)[:100] for node in ast.walk(tree) if offends(node)] for name, tree in trees
    }
    return {name: lines for name, lines in code.items() if lines}


def runs_sql(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    return node.func.attr in DIRECT or ast.unparse(node.func) == "sa.text"


def reads_sql(tree: ast.Module) -> bool:
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    return bool(imported & {"jobs.db.statement", "sqlalchemy", "psycopg"})


def reads_by_position(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        return is_position(node.slice) and (is_row(node.value) or is_one_of_rows(node.value))
    if isinstance(node, ast.Starred):
        return is_row(node.value) and isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.For | ast.comprehension):
        return isinstance(node.target, ast.Tuple) and gives_rows(node.iter)
    return isinstance(node, ast.Assign) and any(unpacks(target, node.value) for target in node.targets)


def is_position(index: ast.expr) -> bool:
    if isinstance(index, ast.UnaryOp):
        return is_position(index.operand)
    if isinstance(index, ast.Constant):
        return isinstance(index.value, int)
    return isinstance(index, ast.Slice) or (isinstance(index, ast.Name) and index.id.isupper())


def is_row(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id.split("_")[-1] in {"row", "record"}


def is_one_of_rows(value: ast.expr) -> bool:
    return isinstance(value, ast.Subscript) and is_position(value.slice) and gives_rows(value.value)


def gives_rows(value: ast.expr) -> bool:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id in RUNNERS
    return isinstance(value, ast.Name) and value.id in {"rows", "records"}


def unpacks(target: ast.expr, value: ast.expr) -> bool:
    """Return whether an assignment takes a row apart: `a, b = row` or `((a, b),) = run(...)`."""
    if not isinstance(target, ast.Tuple):
        return False
    return is_row(value) or (gives_rows(value) and any(isinstance(part, ast.Tuple) for part in target.elts))
