"""How `make test` shares the tests out between two processes, each with servers of its own."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def spread(items: list[pytest.Item]) -> None:
    """Keep a file's tests together, and all acceptance tests, which share a stack; those begin first."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item.path)))
    items.sort(key=lambda item: group_of(item.path) != "acceptance")


def group_of(path: Path) -> str:
    """Name the group of a test file's tests, which one process runs."""
    inside = path.relative_to(HERE)
    return "acceptance" if inside.parts[0] == "acceptance" else inside.as_posix()


def only_shares_out(config: pytest.Config) -> bool:
    """Say whether this process runs no test itself."""
    return bool(config.getoption("numprocesses")) and not hasattr(config, "workerinput")
