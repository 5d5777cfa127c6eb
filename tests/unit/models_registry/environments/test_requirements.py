from __future__ import annotations

import pytest

from models_registry.core.registry_errors import EnvironmentRefusedError
from models_registry.environments.requirements import PinnedLibrary, pinned, without
from tests.support.documents import ROOT

HASH = "--hash=sha256:" + "a" * 64


def test_a_file_that_a_tool_wrote_is_read() -> None:
    text = f"""# made by a tool
--index-url https://index.example/simple
Spam_Lib[extra]==1.0 ; python_version >= "3.11" \\
    {HASH} \\
    {HASH}
    # via eggs

eggs==2 {HASH}  # pinned by hand
"""
    assert pinned(text) == [PinnedLibrary("spam-lib", "1.0"), PinnedLibrary("eggs", "2")]
    assert without(text, {"spam-lib"}) == f"--index-url https://index.example/simple\neggs==2 {HASH}\n"
    assert len(pinned((ROOT / "requirements.lock").read_text())) > 100


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "spam==1",
            "spam has no `--hash=sha256:…`: name your libraries in requirements.in, then run `uv pip compile",
        ),
        (f"spam>=1 {HASH}", "spam is pinned to no version by `==`"),
        (f"spam==1.* {HASH}", "spam is pinned to no version"),
        (f"spam {HASH}", "spam is pinned to no version"),
        (f"spam @ https://files.example/spam.whl {HASH}", "spam is pinned to no version"),
        ("-r other.txt", "'-r other.txt' is no `name==version"),
        ("-e .", "is no `name==version"),
        ("./a/folder", "is no `name==version"),
        ("--trusted-host index.example", "is no `name==version"),
    ],
)
def test_a_line_that_pins_nothing_is_refused_with_advice(line: str, words: str) -> None:
    with pytest.raises(EnvironmentRefusedError) as refused:
        pinned(line)
    assert words in str(refused.value)
