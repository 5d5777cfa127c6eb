"""Scripts that no test leaves running."""

import signal
from collections.abc import Iterator

import pytest

from tests.integration.inference_site.stack.processes import Script, StartScript


@pytest.fixture
def start_script() -> Iterator[StartScript]:
    """Return a function that starts a script; all are killed when the test ends."""
    started: list[Script] = []

    def start(text: str, *words: str, **env: str) -> Script:
        started.append(Script(text, *words, **env))
        return started[-1]

    yield start
    for script in started:
        script.end(signal.SIGKILL)
