"""Data keys that AWS KMS or HashiCorp Vault wraps: stand-ins on loopback, which give no key away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import sqlalchemy as sa
from botocore.exceptions import ClientError, EndpointConnectionError

from jobs.core.errors import PayloadKeyMissingError, PayloadUnavailableError
from jobs.core.submission.request import JobRequest
from jobs.models import DataKey, Job
from jobs.payloads import vault
from jobs.payloads.wrapping import kms
from jobs.services.reads.job_views import job_view
from jobs.services.retention.rotate_keys import rotate_payload_keys
from jobs.services.submission.submit import submit_job
from tests.support import s3
from tests.support.payload_keys import MODEL, OLD, submit, use
from tests.support.submit import owner
from tests.support.vault_transit import transit
from tests.support.worker import run

INPUT = {"text": "open-sesame"}


@dataclass(frozen=True)
class Service:
    """The settings that name a service, and what makes it fall silent."""

    settings: dict[str, Any]
    fall_silent: Callable[[], None]


@pytest.fixture(params=["kms", "vault"])
def service(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    yield from (_kms(monkeypatch) if request.param == "kms" else _vault(tmp_path))


def _kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    for name, value in s3.AWS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(kms, "ATTEMPTS", 1)
    with s3.serving() as address:
        client = boto3.client("kms", endpoint_url=address, region_name=s3.REGION)
        key = client.create_key()["KeyMetadata"]["KeyId"]
        settings = {
            "payload_key_service": "kms",
            "payload_kms_key": key,
            "payload_kms_region": s3.REGION,
            "payload_kms_endpoint_url": address,
        }

        def fall_silent() -> None:
            monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", _unreachable)

        yield Service(settings, fall_silent)


def _unreachable(*_: object) -> None:
    raise EndpointConnectionError(endpoint_url="http://kms")


def _vault(tmp_path: Path) -> Iterator[Service]:
    token = tmp_path / "token"
    with transit() as engine:
        token.write_text(f"{engine.token}\n")
        settings = {
            "payload_key_service": "vault",
            "payload_vault_url": engine.url,
            "payload_vault_token_file": str(token),
        }

        def fall_silent() -> None:
            engine.status = 503

        yield Service(settings, fall_silent)


def output(job: Any) -> bytes:
    view = job_view(job.id, client_id=None)
    assert view is not None
    return bytes(view["output"])


def test_jobs_are_sealed_by_the_service_alone(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    use(monkeypatch, **service.settings)
    job = submit(INPUT)
    vault.forget()
    run(session)
    assert output(job) == b'{"text":"open-sesame"}'
    assert DataKey.objects.get().wrapped_by.startswith(service.settings["payload_key_service"])


def test_the_service_takes_over_from_named_keys_and_back(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    job = submit(INPUT)
    run(session)
    use(monkeypatch, OLD, **service.settings)
    assert rotate_payload_keys(actor="olga").rows == 1
    use(monkeypatch, **service.settings)
    assert output(job) == b'{"text":"open-sesame"}'
    use(monkeypatch, OLD, **{**service.settings, "payload_key_service": "none"})
    assert rotate_payload_keys(actor="olga").rows == 1
    use(monkeypatch, OLD)
    assert output(job) == b'{"text":"open-sesame"}'


def test_the_key_of_another_client_is_refused_by_the_service(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    use(monkeypatch, **service.settings)
    for client in ("mine", "theirs"):
        submit_job(owner=owner(client), request=JobRequest(model=MODEL, input=INPUT))
    theirs = DataKey.objects.get(client__name="theirs")
    DataKey.objects.filter(client__name="mine").update(wrapped=theirs.wrapped)
    vault.forget()
    run(session)
    codes = dict(Job.objects.values_list("client__name", "error_code"))
    assert codes == {"mine": "payload_unreadable", "theirs": ""}


def test_while_the_service_is_silent_nothing_is_lost(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    use(monkeypatch, **service.settings)
    job = submit(INPUT)
    service.fall_silent()
    assert submit(INPUT).id  # by the key that this process has used lately
    vault.forget()
    with pytest.raises(PayloadUnavailableError):
        submit(INPUT)
    run(session, attempts_left=True)
    row = Job.objects.get(pk=job.id)
    assert (row.state, row.error_code) == ("waiting", "payload_unavailable")


def test_a_service_that_refuses_the_key_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for service in _vault(tmp_path):
        use(monkeypatch, **service.settings)
        (tmp_path / "token").write_text("another")
        with pytest.raises(PayloadKeyMissingError, match="Vault refuses the wrapping key: 403"):
            submit(INPUT)
    denied = ClientError({"Error": {"Code": "AccessDeniedException"}}, "Decrypt")
    with pytest.raises(PayloadKeyMissingError, match="AWS KMS refuses"), kms._translated():
        raise denied
