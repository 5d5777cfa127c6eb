"""How `make test` shares the tests out between two processes, each with servers of its own."""

import pytest
from xdist.scheduler import LoadScopeScheduling


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # it ships no types
    """Keeps a file's tests in one process, and all acceptance tests, which share a stack."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """Return what the tests that one process has to run have in common."""
    file = nodeid.partition("::")[0]
    return "acceptance" if "acceptance/" in file else file


def only_shares_out(config: pytest.Config) -> bool:
    """Say whether this process runs no test itself."""
    return bool(config.getoption("numprocesses")) and not hasattr(config, "workerinput")
