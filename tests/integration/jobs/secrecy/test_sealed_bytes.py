"""Outputs of bytes of versions that encrypt or mark personal data: sealed, shared and shown as JSON is."""

from __future__ import annotations

from base64 import b64decode
from typing import Any
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa

from jobs.api.output_formats import job_body
from jobs.core.payloads.stored_output import MARK, ShownBytes
from jobs.db.session import transaction
from jobs.models import Job, JobResult
from jobs.payloads import vault
from jobs.services.access.owner import owner_of, token_digest
from jobs.services.access.tokens import create_token
from jobs.services.reads.job_views import View, job_view
from jobs.services.reads.payloads import view_for
from jobs.services.reuse.settle_followers import land
from models_registry.core.output import Output
from models_registry.loaders.builtin import Echo
from tests.support.payload_keys import dump, secret_version, submit
from tests.support.personal_data import SCHEMA, WHO
from tests.support.personal_data import submit as submit_marked
from tests.support.worker import run

SECRET = b"open-sesame"
OCTETS = "application/octet-stream"


class Secretive(Echo):
    """Returns bytes, whatever it is given."""

    def outputs(self, raw: list[Any]) -> list[Any]:
        return [Output(SECRET, "image/png", {"of": SECRET.decode()}) for _ in raw]


def seen(job: UUID) -> View:
    view = job_view(job, client_id=None)
    assert view is not None
    return view


def test_bytes_and_what_describes_them_are_sealed(session: sa.Connection) -> None:
    job = submit({"text": "x"}, encoding="raw")
    assert run(session, Secretive()) == [job.id]
    assert SECRET.decode() not in dump()
    assert MARK not in bytes(JobResult.objects.get().body)
    body, headers = job_body(seen(job.id), "*/*")
    assert (body, headers["Content-Type"]) == (SECRET, "image/png")


def test_followers_and_hits_share_sealed_bytes_each_in_its_own_form(session: sa.Connection) -> None:
    secret_version("2", options={"encrypt": True, "cache_ttl_s": 60})
    leader = submit_marked("2", {"text": "x"})
    follower = submit_marked("2", {"text": "x"}, encoding="raw")
    assert run(session, Secretive()) == [leader.id]
    with transaction(session):
        assert land(session, leader.id).succeeded == 1
    hit = submit_marked("2", {"text": "x"}, encoding="base64")
    assert hit.cached_from == leader.id
    assert JobResult.objects.count() == Job.objects.count() == 3
    for job in (leader, follower, hit):
        assert job_body(seen(job.id), OCTETS).body == SECRET
    assert job_body(seen(follower.id), "").body == SECRET
    for job in (leader, hit):
        output = msgspec.json.decode(job_body(seen(job.id), "").body)["output"]
        assert b64decode(output["base64"]) == SECRET


@pytest.mark.parametrize("options", [{}, {"encrypt": True}])
def test_an_admin_gets_a_token_and_never_the_bytes(session: sa.Connection, options: dict[str, Any]) -> None:
    secret_version("3", input_schema=SCHEMA, output_schema={}, options=options)
    job = submit_marked("3", {"name": WHO}, encoding="raw")
    run(session, Secretive())
    admin = owner_of(token_digest(create_token(client="operators", scopes=["admin"])))
    assert admin is not None
    view = view_for(admin, seen(job.id))
    shown = {"media_type": "image/png", "meta": {"of": SECRET.decode()}, "base64": "b3Blbi1zZXNhbWU="}
    assert msgspec.json.decode(job_body(view, "*/*").body)["output"] == vault.token(shown)
    assert SECRET not in job_body(view, OCTETS, strict=False).body
    assert isinstance(seen(job.id)["output"], ShownBytes)  # its owner gets them
