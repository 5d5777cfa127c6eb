import pytest

from jobs.core.access.scopes import Scope, covers, default_scopes


@pytest.mark.parametrize("scope", list(Scope))
def test_a_scope_covers_itself_and_admin_covers_all(scope: Scope) -> None:
    assert covers([scope.value], scope)
    assert covers(["admin"], scope)
    others = [other.value for other in Scope if other not in {scope, Scope.ADMIN}]
    assert not covers(others, scope)


def test_a_token_has_all_scopes_but_register_and_admin_by_default() -> None:
    assert {*default_scopes(), "register", "admin"} == {scope.value for scope in Scope}
