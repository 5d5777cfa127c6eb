"""The folder that `new_model` writes: a model that works, to be changed into one's own."""

from __future__ import annotations

import re
from pathlib import Path

from models_registry.core.registry_errors import RegistrationError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
MODEL = """\
from models_registry.core.own_model import model
from msgspec import Struct


class Input(Struct):
    text: str


class Output(Struct):
    text: str


@model(max_batch=32, example={"text": "hi"})
class Model:
    def run(self, inputs: list[Input]) -> list[Output]:
        return [Output(one.text.upper()) for one in inputs]
"""
CARD = """\
# Everything here is optional, and comes before what @model says. Others: version, class, p95_goal_s, padded,
# max_padded_size, [options], [input_schema], [output_schema]; the schemas come from the hints of `run`.
name = "{name}"
max_attempts = 3
"""
REQUIREMENTS = """\
# Libraries that this model needs beside the platform's, with hashes. Name them in requirements.in, then run
# uv pip compile --generate-hashes requirements.in -o requirements.txt
"""


def write_folder(where: Path, name: str) -> Path:
    """Write the folder of a new model and return its path; RegistrationError if it is there already."""
    folder = where / name
    if not NAME.fullmatch(name):
        raise RegistrationError(
            f"{name!r} is no name of a model: use lower-case letters, digits, dots, dashes."
        )
    if folder.exists():
        raise RegistrationError(f"{folder} is there already; nothing was written.")
    folder.mkdir(parents=True)
    files = {
        "model.py": MODEL,
        "model.toml": CARD.format(name=name),
        "requirements.txt": REQUIREMENTS,
        "example.json": '{"text": "hi"}\n',
    }
    for file, text in files.items():
        (folder / file).write_text(text, "utf-8")
    return folder
