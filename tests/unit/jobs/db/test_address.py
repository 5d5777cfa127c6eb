"""Every part of a database's URL counts, and one that cannot be read is named without its password."""

from __future__ import annotations

import pytest

from inference_site.backends import django_database
from inference_site.config import Config
from jobs.db.address import DEFAULTS, database_url, parameters


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h:5433/n",
         {"user": "u", "password": "p", "host": "h", "port": "5433", "dbname": "n"}),
        ("postgres://h/n", {"host": "h", "dbname": "n"}),
        ("postgresql://h1:1,h2:2/n?target_session_attrs=read-write",
         {"host": "h1,h2", "port": "1,2", "dbname": "n", "target_session_attrs": "read-write"}),
        ("postgresql://h/n?sslmode=verify-full&sslrootcert=/ca.pem",
         {"host": "h", "dbname": "n", "sslmode": "verify-full", "sslrootcert": "/ca.pem"}),
        ("postgresql:///n?host=/var/run/postgresql", {"host": "/var/run/postgresql", "dbname": "n"}),
        ("postgresql://%2Fvar%2Frun/n", {"host": "/var/run", "dbname": "n"}),
        ("postgresql://%40abstract/n", {"host": "@abstract", "dbname": "n"}),
        ("postgresql://[::1]:5432/n", {"host": "::1", "port": "5432", "dbname": "n"}),
        ("postgresql://u:p%40%2F%25@h/%D0%B1%D0%B4",
         {"user": "u", "password": "p@/%", "host": "h", "dbname": "бд"}),
    ],
)  # fmt: skip
def test_a_url_s_parts_reach_psycopg_and_django_alike(url: str, expected: dict[str, str]) -> None:
    assert database_url(url) == url
    assert parameters(url) == {**DEFAULTS, **expected}
    entry = django_database(Config(database_url=url))
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    options = entry["OPTIONS"]
    assert isinstance(options, dict)
    seen = {ours: entry[name] for name, ours in names.items() if entry[name]} | options
    assert {name: value for name, value in seen.items() if name in expected} == expected


def test_a_url_s_own_limits_replace_ours() -> None:
    assert parameters("postgresql://h/n?connect_timeout=20")["connect_timeout"] == "20"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://u:secret@h/n", "must begin with postgresql://"),
        ("postgresql+psycopg://u:secret@h/n", "must begin with postgresql://"),
        ("postgresql://u:secret@h", "the name of a database"),
        ("postgresql://u:secret@h/n?options=-c%20x", "must not have `options`"),
        ("postgresql://u:secret@h/n?sslmod=require", 'invalid URI query parameter: "sslmod"'),
        ("postgresql://u:secret%@h/n", "such as %"),
        ("postgresql://u:se@cret@h/n", "as %40"),
        ("postgresql://u:secret@a,b,c:1/n?port=1,2", "ports"),
        ("postgresql://u:secret@h:99999/n", "a port that is not a number"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        database_url(url)
    assert reason in str(refusal.value)
    assert "secret" not in str(refusal.value)
    config = Config.from_env({"DATABASE_URL": url, "BROKER_URL": "amqp://h", "SECRET_KEY": "k"})
    assert config.mistakes == (f"DATABASE_URL: {refusal.value}.",)
