"""Pictures of reports: labels are whatever a model answered."""

from __future__ import annotations

import pytest

from jobs.services.trials.report_pictures import labels_picture


@pytest.mark.parametrize("label", ["$^$", "$\\frac$", "$5 to $10", "a\nb"])
def test_a_label_is_drawn_as_it_is_and_never_read_as_a_formula(label: str) -> None:
    picture = labels_picture({"labels": [label, "b"], "rows": [[1, 0], [0, 2]]}, right="true label")
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
