"""What Grafana reads of a panel and of a page."""

from __future__ import annotations

from inference_site.watching.panels import Dashboard, seconds
from inference_site.watching.queries import Query

ONE = seconds("Wait", Query("wait", "{{model}}"), Query("goal", "goal"), note="Means.", stacked=True)


def test_a_panel_has_its_unit_and_a_letter_for_each_expression() -> None:
    (panel,) = Dashboard("a", "A", (ONE,)).document()["panels"]
    assert panel["description"] == "Means."
    assert panel["fieldConfig"]["defaults"]["unit"] == "s"
    assert panel["fieldConfig"]["defaults"]["custom"]["stacking"] == {"mode": "normal"}
    assert [(target["refId"], target["expr"]) for target in panel["targets"]] == [
        ("A", "wait"),
        ("B", "goal"),
    ]


def test_the_fourth_panel_begins_a_row() -> None:
    panels = Dashboard("a", "A", (ONE,) * 4).document()["panels"]
    assert [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels] == [
        (0, 0),
        (8, 0),
        (16, 0),
        (0, 8),
    ]


def test_models_are_chosen_only_on_a_page_that_says_so() -> None:
    assert Dashboard("a", "A", ()).document()["templating"]["list"] == []
    (chosen,) = Dashboard("a", "A", (), by_model=True).document()["templating"]["list"]
    assert chosen["name"] == "model"
