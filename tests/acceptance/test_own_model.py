"""The model that the README shows runs on a worker that may import it."""

from __future__ import annotations

import socket
from pathlib import Path

from inference_site.stack.harness import Stack
from tests.support.app import App, manage
from tests.support.documents import ROOT, shown_model, written
from tests.support.own_worker import own_worker

INDEX = 7


def test_the_readme_s_own_model_is_registered_loaded_and_answers(
    stack: Stack, app: App, tmp_path: Path
) -> None:
    (tmp_path / "shout.py").write_text(shown_model(written(ROOT / "README.md"), "shout"))
    words = ("--loader", "entry_point", "--artifact", "shout:load", "--alias", "default")
    manage(stack, "register_model", "shout", "1", *words, "--example", '{"text": "hi"}')
    node = f"gpu-{INDEX}@{socket.gethostname()}"
    path = str(tmp_path)
    with own_worker(stack, "echo", index=INDEX, MODEL_ENTRY_POINTS="shout:load", PYTHONPATH=path):
        assert manage(stack, "load_model", "shout", "--worker", node) == f"{node}: shout serving\n"
        ended = app.finished(app.submit("shout", {"text": "hi"})["id"])
        assert (ended["state"], ended["output"]) == ("succeeded", {"text": "HI"})
