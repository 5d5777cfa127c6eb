from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

WORDS = ("--loader", "entry_point", "--artifact", "ranker:load")


def test_a_command_names_what_is_missing_of_an_environment() -> None:
    with pytest.raises(CommandError, match=r"manage.py make_env none --requirements FILE` makes it"):
        call_command("register_model", "ranker", "1", *WORDS, "--env", "none")
    with pytest.raises(CommandError, match="--requirements needs --env NAME"):
        call_command("try_model", "ranker", "--input", "1", "--requirements", "file")
    with pytest.raises(CommandError, match="file cannot be read"):
        call_command("gpu_worker", "--cpu", "--models", "ranker", "--env", "none", "--requirements", "file")
