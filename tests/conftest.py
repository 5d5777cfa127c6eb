"""Real Postgres and RabbitMQ for every test outside tests/unit; they are up before Django is."""

import gc
import os
import signal
from collections.abc import Callable, Iterator

import django
import hypothesis
import pytest
import sqlalchemy as sa
from django.core.management import call_command
from django.db import connection, transaction

from tests.support.services import TestServices, only_unit_tests, use_placeholders

_running: list[TestServices] = []


def pytest_configure(config: pytest.Config) -> None:
    """Bring up the servers and Django, before any test module is imported."""
    if _only_shares_out(config):
        return
    # An example that took long says only that the machine was busy.
    hypothesis.settings.register_profile("without deadlines", deadline=None)
    hypothesis.settings.load_profile("without deadlines")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")
    if only_unit_tests(config.args, started_in=config.invocation_params.dir):
        use_placeholders()
        django.setup()
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    servers = TestServices()
    _running.append(servers)
    servers.start()
    django.setup()
    call_command("migrate", verbosity=0)


def _only_shares_out(config: pytest.Config) -> bool:
    """Return whether other processes run the tests, each with servers of its own."""
    return bool(config.getoption("numprocesses")) and not hasattr(config, "workerinput")


def pytest_unconfigure() -> None:
    """End the servers, also when tests failed."""
    while _running:
        _running.pop().stop()


@pytest.fixture(scope="module", autouse=True)
def _left_behind() -> Iterator[None]:
    """Collect what a file left behind at its own end: found later, it would fail a test of another file."""
    yield
    gc.collect()
    gc.freeze()  # what lives on (modules, mostly) is looked at once, not at the end of each file


@pytest.fixture(scope="session")
def services() -> dict[str, str]:
    """Return DATABASE_URL, BROKER_URL and RABBITMQ_MANAGEMENT_URL of this run's servers."""
    assert _running, "no servers: this test belongs outside tests/unit"
    names = ("DATABASE_URL", "BROKER_URL", "RABBITMQ_MANAGEMENT_URL")
    return {name: os.environ[name] for name in names}


@pytest.fixture
def broker_url(services: dict[str, str]) -> str:
    """Return the URL of this run's broker."""
    return services["BROKER_URL"]


@pytest.fixture
def broker_log(services: dict[str, str]) -> Callable[[], str]:
    """Return a function that reads what this run's own broker has logged."""
    return lambda: _running[0].broker_log


@pytest.fixture
def db(services: dict[str, str]) -> Iterator[str]:
    """Empty every table of ours, and return the database's URL."""
    from jobs.api.operations.latest_reading import latest
    from jobs.payloads import vault
    from jobs.services.access.owner import forget_owners
    from jobs.services.admission.queues import forget_queues
    from jobs.services.circuits.reads import forget_circuits
    from jobs.services.reads.version_labels import forget_labels
    from jobs.services.reuse.generations import forget_generations
    from models_registry import selectors

    _truncate()
    # This process remembers rows that are gone, and the next ones may have their ids.
    kept = (
        vault.forget, forget_owners, forget_queues, forget_circuits, forget_labels, forget_generations,
    )  # fmt: skip
    for forget in (*kept, selectors.forget, latest.forget):
        forget()
    yield services["DATABASE_URL"]
    connection.close()


@pytest.fixture
def session(db: str) -> Iterator[sa.Connection]:
    """Return a session of the kind that the relay and the sweeper hold."""
    from jobs.db.session import open_session

    with open_session() as session:
        yield session


# To truncate all tables takes a third of a second, and a test fills a few: a file of no bytes has no row.
_FILLED = """
SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
  AND pg_relation_size(oid) > 0
"""
# An insert that was refused used up a number, and left no row behind.
_USED_NUMBERS = """
SELECT setval(parameters.seqrelid, parameters.seqstart, false)
FROM pg_class sequence JOIN pg_sequence parameters ON parameters.seqrelid = sequence.oid
  JOIN pg_depend owned ON owned.objid = sequence.oid AND owned.deptype IN ('a', 'i')
  JOIN pg_class held ON held.oid = owned.refobjid AND held.relkind = 'r'
WHERE sequence.relnamespace = current_schema()::regnamespace AND held.relname <> ALL(%s)
  AND pg_sequence_last_value(parameters.seqrelid) IS NOT NULL -- its own column: of others it is an error
"""
NOT_OURS = {"django_migrations", "django_content_type", "auth_permission", "jobs_channelsecret"}


def _truncate() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL inference.retention = 'on'")  # else the audit keeps its rows
        cursor.execute("SET LOCAL lock_timeout = '10s'")  # the live page of an earlier one reads on for 5 s
        cursor.execute(_FILLED)
        tables = sorted({name for (name,) in cursor.fetchall()} - NOT_OURS)
        if tables:
            names = ", ".join(f'"{name}"' for name in tables)
            cursor.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        cursor.execute(_USED_NUMBERS, [list(NOT_OURS)])
