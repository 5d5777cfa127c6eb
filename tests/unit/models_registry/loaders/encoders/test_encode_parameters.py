"""Every parameter of an encoder is in the owner's table."""

from __future__ import annotations

import re

from models_registry.loaders.encoders.encode_parameters import parameter_rows
from tests.support.documents import page


def test_every_parameter_is_documented_for_its_kind() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", page("models").section("Encoders of texts"), re.MULTILINE)
    documented = dict(rows)
    for kind, row in parameter_rows():
        of = documented[row.name]
        assert (kind in of) != of.startswith("all"), (kind, row.name)
