"""The viewer's login is made with the rights of production and no others."""

from __future__ import annotations

from typing import Any

import pytest

from inference_site.stack.ports import free_port
from inference_site.viewer import monitor_login


def test_the_user_has_the_monitor_s_tag_and_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[str, str, Any]]()
    monkeypatch.setattr(monitor_login, "_ask", lambda _url, *words: asked.append(words))
    assert monitor_login.add_monitor("http://a:b@127.0.0.1:1", "word")
    (_, user, login), (_, _, rights) = asked
    assert (user, login) == ("/api/users/monitor", {"password": "word", "tags": "management"})
    assert {entry["user"] for entry in rights["permissions"] + rights["topic_permissions"]} == {"monitor"}
    assert "users" not in rights


def test_before_rabbitmq_answers_it_is_to_be_tried_again() -> None:
    assert not monitor_login.add_monitor(f"http://a:b@127.0.0.1:{free_port()}", "word")
