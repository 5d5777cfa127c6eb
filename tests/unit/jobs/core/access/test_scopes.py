import pytest

from jobs.core.access.scopes import Scope, covers, default_scopes


@pytest.mark.parametrize("scope", list(Scope))
def test_a_scope_covers_itself_and_admin_covers_all_but_approve(scope: Scope) -> None:
    assert covers([scope.value], scope)
    assert covers(["admin"], scope) == (scope is not Scope.APPROVE)
    others = [other.value for other in Scope if other not in {scope, Scope.ADMIN}]
    assert not covers(others, scope)


def test_a_token_has_no_scope_by_default_that_changes_what_answers_for_others() -> None:
    granted = {"register", "roll_out", "approve", "admin"}
    assert {scope.value for scope in Scope} - {*default_scopes()} == granted
