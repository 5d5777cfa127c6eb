"""An operator's token reads another client's job with tokens, by every call; its owner reads it in clear."""

from collections.abc import Callable
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from jobs.payloads import vault
from jobs.services.access.tokens import create_token
from tests.support.payload_keys import secret_version
from tests.support.personal_data import INPUT, SCHEMA, STREET, secrets_in, submit
from tests.support.worker import run

Serve = Callable[..., httpx.Client]
PATHS = ("/api/v1/jobs/{}", "/api/v1/jobs/{}?wait=5", "/api/v1/jobs/{}/events")


@pytest.fixture
def job(echo: None, session: sa.Connection) -> UUID:
    secret_version("p", input_schema=SCHEMA, output_schema={}, options={})
    made = submit("p", metadata={"of": [STREET]})
    run(session)
    return made.id


def test_an_admin_s_token_is_shown_tokens_and_the_owner_s_the_values(serve: Serve, job: UUID) -> None:
    server = serve()
    admin, own = (
        {"Authorization": f"Bearer {create_token(client=client, scopes=[scope])}"}
        for client, scope in (("operators", "admin"), ("tests", "read"))
    )
    for path in PATHS:
        seen, clear = (server.get(path.format(job), headers=headers) for headers in (admin, own))
        assert (seen.status_code, clear.status_code) == (200, 200), path
        assert secrets_in(seen.text) == [], path
        assert all(vault.token(value) in seen.text for value in (INPUT, {"of": [STREET]})), path
        assert len(secrets_in(clear.text)) == 3, path
    # Its output schema marks nothing, and a model may echo its input: one token stands for all of it.
    assert server.get(PATHS[0].format(job), headers=admin).json()["output"] == vault.token(INPUT)


def test_an_admin_reads_its_own_client_s_job_in_clear(serve: Serve, job: UUID) -> None:
    headers = {"Authorization": f"Bearer {create_token(client='tests', scopes=['admin'])}"}
    assert len(secrets_in(serve().get(PATHS[0].format(job), headers=headers).text)) == 3
