import pytest

from jobs.core.access.scopes import Scope, covers, default_scopes


@pytest.mark.parametrize("wanted", list(Scope))
def test_a_scope_covers_itself_and_admin_covers_all(wanted: Scope) -> None:
    assert covers([wanted.value], wanted)
    assert covers(["admin"], wanted)
    assert not covers([scope.value for scope in Scope if scope not in {wanted, Scope.ADMIN}], wanted)


def test_a_token_may_do_all_but_administer_if_nothing_is_said() -> None:
    assert {*default_scopes(), "admin"} == {scope.value for scope in Scope}
