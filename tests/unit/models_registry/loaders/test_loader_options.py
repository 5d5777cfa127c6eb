"""An option that neither the platform nor the version's loader declares is refused, with the nearest name."""

from __future__ import annotations

from typing import Any

import pytest

from models_registry.core.options import PlatformOptions
from models_registry.core.registry_errors import LoaderRefusedError, RegistrationError
from models_registry.loaders.builtin import BASE_S
from models_registry.loaders.entry_point import BUILT_IN
from models_registry.loaders.load import FOLDER, OF_FILES
from models_registry.loaders.loader_options import (
    LoaderOptions,
    ProgramOptions,
    SleeperOptions,
    TransformerOptions,
    check_options,
    loader_option_rows,
    options_of,
)

FILE = "/models/a"


@pytest.mark.parametrize(
    ("loader", "artifact", "options", "message"),
    [
        (
            "transformer",
            FILE,
            {"max_len": 8},
            "no option max_len; did you mean max_length.*dtype, max",
        ),
        ("transformer", FILE, {"retension_days": 8}, "retension_days; did you mean retention_days"),
        ("transformer", FILE, {"max_length": 0}, "max_length is 0; it must be a whole number of at least 1"),
        ("transformer", FILE, {"dtype": "int8"}, "dtype is 'int8'; it must be one of auto, bfloat16, fl"),
        ("transformer", FILE, {"outputs": ["a"]}, "no option outputs"),
        ("transformer", FILE, {"profiles": {"gpu": {}}}, r"no option profiles\.gpu"),
        ("transformer", FILE, {"profiles": {"cuda": {"max_batch": 0}}}, r"profiles\.cuda\.max_batch is 0"),
        ("transformer", FILE, {"profiles": {"cpu": {"dtype": "int8"}}}, "dtype is 'int8'"),
        (
            "transformer",
            FILE,
            {"profiles": {"cpu": {"shed": True}}},
            r"cpu\.shed\. A profile takes",
        ),
        ("torchscript", FILE, {"output": ["a"]}, "no option output; did you mean outputs"),
        ("export", FILE, {"outputs": []}, r"outputs is \[\]; it must be a list of names"),
        ("export", FILE, {"outputs": "data"}, "outputs is 'data'"),
        ("entry_point", BUILT_IN["echo"], {"o": 1}, r"no option o\. The loader's options: none"),
        ("entry_point", BUILT_IN["sleeper"], {"base": 1}, "no option base; did you mean base_s"),
        ("entry_point", BUILT_IN["sleeper"], {"base_s": -1}, "base_s is -1"),
        ("entry_point", "their.module:model", {"shed": 1}, "shed is 1"),
    ],
)
def test_a_wrong_or_unknown_option_is_refused_at_registration(
    loader: str, artifact: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RegistrationError, match=message):
        check_options(loader, artifact, options)


def test_what_both_sides_declare_is_accepted_together() -> None:
    options = {"dtype": "float16", "max_length": 8, "compile": True, "shed": True}
    assert check_options("transformer", FILE, options) == PlatformOptions(shed=True)


def test_an_entry_point_of_the_operator_takes_options_that_nobody_declared() -> None:
    assert check_options("entry_point", "their.module:model", {"o": 1}) == PlatformOptions()


def test_a_version_registered_before_its_options_were_checked_still_loads() -> None:
    read = TransformerOptions.of({"max_length": "8", "compile": 1, "unknown": 1})
    assert read == TransformerOptions(max_length=8, compile=True)
    with pytest.raises(LoaderRefusedError, match="dtype is 'int8'"):
        ProgramOptions.of({"dtype": "int8"})


def test_every_loader_and_built_in_model_declares_its_options() -> None:
    for loader in set(OF_FILES) - {FOLDER}:  # its class declares its own
        assert options_of(loader, FILE) is not None
    for artifact in BUILT_IN.values():
        assert issubclass(options_of("entry_point", artifact) or str, LoaderOptions)


def test_the_documents_get_a_row_for_each_option() -> None:
    rows = {(loader, row.name): row for loader, row in loader_option_rows()}
    assert rows["export", "outputs"].default == "data"
    assert rows["sleeper", "base_s"].default == str(SleeperOptions().base_s) == str(BASE_S)
