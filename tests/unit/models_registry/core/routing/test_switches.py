from __future__ import annotations

from typing import Any

import pytest

from models_registry.core.routing.decision import Ask
from models_registry.core.routing.flag_document import CompiledFlag, FlagDocument
from models_registry.core.routing.switches import MEANINGS, Switch, is_on

OWNED: dict[str, Any] = {"owner": "search team", "expires_at": "2027-03-01T00:00:00Z"}


def flag(name: str, **fields: Any) -> CompiledFlag:
    return CompiledFlag(name, FlagDocument.of(OWNED | fields))


def ask() -> Ask:
    return Ask(bytes(8), "app", 4, {}, {})


@pytest.mark.parametrize("switch", Switch)
def test_a_switch_is_on_unless_a_flag_of_its_name_is_off_for_the_job(switch: Switch) -> None:
    others = {"beta": flag("beta", on=False)}
    assert is_on(others, switch, ask)
    assert not is_on({switch: flag(switch, on=False)}, switch, ask)
    assert is_on({switch: flag(switch)}, switch, ask)
    assert is_on({switch: flag(switch, share=0.0, clients=["app"])}, switch, ask)


def test_nothing_is_made_of_a_job_for_which_no_flag_decides() -> None:
    def never() -> Ask:
        raise AssertionError

    assert is_on({}, Switch.CACHE, never)
    assert is_on({"cache": flag("cache")}, Switch.CACHE, never)
    assert not is_on({"cache": flag("cache", on=False, clients=["app"], share=0.5)}, Switch.CACHE, never)
    assert not is_on({"cache": flag("cache", share=0.0)}, Switch.CACHE, never)


def test_each_switch_has_its_meaning() -> None:
    assert set(MEANINGS) == set(Switch)
