"""What cannot be planned from is named by its path; what was stored fills what is left out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jobs.core.planning.plan_file import RunTimes
from jobs.core.planning.plan_reader import PlanFileError, StoredModel, read_plan
from tests.unit.jobs.core.planning.documents import document, no_history, read

NAN = float("nan")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"zones": []}, "field zones is empty"),
        ({"zones": ["a", "a"]}, "zones names a zone twice"),
        ({"models": {}}, "field models is empty"),
        ({"sead": 1}, "no field sead; did you mean seed?"),
        ({"survive_zones": 3}, "survive_zones is 3; of 3 zones at most 2"),
        ({"most_load": 1.0}, "most_load is 1.0"),
        ({"overheads__claim_s": -1}, "overheads.claim_s is -1"),
        ({"devices__l4__speed": 0}, "devices.l4.speed is 0"),
        ({"devices__l4__price_per_h": NAN}, "devices.l4.price_per_h is nan"),
        ({"devices__l4__price_per_h": float("inf")}, "devices.l4.price_per_h is inf"),
        ({"devices__l4__zones": ["a", "d"]}, "devices.l4.zones names an unknown zone d"),
        ({"devices__l4": 3}, "devices.l4 must be a table"),
        ({"models__minilm__arrivals_per_s": []}, "models.minilm.arrivals_per_s is missing"),
        ({"models__minilm__arrivals_per_s": [0, 0]}, "models.minilm.arrivals_per_s has no arrivals"),
        ({"models__minilm__arrivals_per_s": [1, -1]}, "models.minilm.arrivals_per_s is [1, -1]"),
        ({"models__minilm__arrivals_per_s": [1, NAN]}, "models.minilm.arrivals_per_s is [1, nan]"),
        ({"models__minilm__arrivals_per_s": [1] * 169}, "arrivals_per_s has 169 hours, above 168"),
        ({"models__minilm__history": "x"}, "arrivals_per_s is given beside models.minilm.history"),
        ({"models__minilm__devices": ["h200"]}, "models.minilm.devices names an unknown device h200"),
        (
            {"models__minilm__on": {"l40": {"fixed_s": 1, "per_job_s": 1}}},
            "unknown device l40; did you mean l4",
        ),
        ({"models__minilm__on": {"l4": {"fixed_s": -1, "per_job_s": 1}}}, "minilm.on.l4.fixed_s is -1"),
        ({"models__minilm__on": {"l4": {"fixed": 1}}}, "no field models.minilm.on.l4.fixed"),
        ({"models__minilm__fixed_s": None}, "models.minilm.fixed_s is missing"),
        ({"models__minilm__per_job_s": 0, "models__minilm__fixed_s": 0}, "per_job_s is 0"),
        ({"models__minilm__growth": 0}, "models.minilm.growth is 0"),
        ({"models__minilm__growth": 1e-12}, "models.minilm.arrivals_per_s comes to 4e-10 with its growth"),
        ({"most_load": 1e-300}, "most_load is 1e-300"),
        ({"parts__brokr__cores": 1}, "parts names an unknown part brokr; did you mean broker"),
        ({"parts__broker__cores": 0}, "parts.broker.cores is 0"),
    ],
)
def test_the_first_field_that_is_wrong_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanFileError, match=re.escape(words)):
        read(**changes)


def test_a_missing_field_is_named_with_its_table() -> None:
    own = document()
    del own["devices"]["l4"]["memory_gib"]
    with pytest.raises(PlanFileError, match=r"devices\.l4.*memory_gib"):
        read_plan(own, no_history)


def test_all_models_have_equally_many_hours() -> None:
    own = document()
    own["models"]["other"] = own["models"]["minilm"] | {"arrivals_per_s": [1, 2, 3]}
    with pytest.raises(PlanFileError, match=r"other\.arrivals_per_s has 3 hours, models\.minilm has 2"):
        read_plan(own, no_history)


def test_growth_raises_the_forecast() -> None:
    assert read(models__minilm__growth=1.5).rates["minilm"] == (600, 3000)


def stored(times: RunTimes | None) -> PlanFileError | dict[str, Any]:
    own = document(models__minilm__history="minilm", models__minilm__growth=2)
    for name in ("arrivals_per_s", "fixed_s", "per_job_s"):
        del own["models"]["minilm"][name]
    try:
        plan = read_plan(own, lambda name: StoredModel((1.0, 4.0), 1.7, times) if name == "minilm" else None)  # type: ignore[arg-type,return-value]  # no other name is asked for
    except PlanFileError as error:
        return error
    model = plan.models["minilm"]
    return {"rates": plan.rates["minilm"], "times": (model.fixed_s, model.per_job_s), "peak": model.peak}


def test_stored_arrivals_and_times_fill_what_is_left_out() -> None:
    assert stored(RunTimes(0.02, 0.001)) == {"rates": (2.0, 8.0), "times": (0.02, 0.001), "peak": 1.7}


def test_a_model_without_stored_runs_needs_times_in_the_file() -> None:
    assert "models.minilm.fixed_s is missing; the records of minilm hold no runs" in str(stored(None))
