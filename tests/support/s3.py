"""A server on loopback that speaks S3, and a site that keeps its payloads in a bucket there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from django.test import override_settings
from moto.server import ThreadedMotoServer

from inference_site.backends import django_storages
from inference_site.config import Config

AWS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "of-no-use-to-anybody"}
REGION = "eu-central-1"


@dataclass(frozen=True)
class Bucket:
    """One bucket, read and written directly; `env` has the settings of a process that uses it."""

    name: str
    client: Any
    env: dict[str, str]

    @property
    def keys(self) -> list[str]:
        page = self.client.list_objects_v2(Bucket=self.name)
        return [entry["Key"] for entry in page.get("Contents", ())]

    def read(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def write(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def drop(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def backdate(self, key: str) -> str:
        """Move an object to a day long ago and return its name there."""
        old = f"2020-01-01/{key.partition('/')[2]}"
        self.write(old, self.read(key))
        self.drop(key)
        return old


@contextmanager
def serving() -> Iterator[str]:
    """Serve on a free port of loopback during the block; yield the address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


@contextmanager
def bucket_at(address: str) -> Iterator[Bucket]:
    """Yield a new bucket; during the block this process keeps its payloads there."""
    name = f"payloads-{secrets.token_hex(8)}"
    client = boto3.client("s3", endpoint_url=address, region_name=REGION, **_keys())
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    env = AWS | {"PAYLOAD_STORAGE": "s3", "PAYLOAD_BUCKET": name, "PAYLOAD_ENDPOINT_URL": address}
    env |= {"PAYLOAD_REGION": REGION, "PAYLOAD_ADDRESSING": "path"}
    config = Config.from_env(os.environ | env)
    assert config.mistakes == ()
    with override_settings(STORAGES=django_storages(config)):
        yield Bucket(name, client, env)


def _keys() -> dict[str, str]:
    return {name.lower(): value for name, value in AWS.items()}
