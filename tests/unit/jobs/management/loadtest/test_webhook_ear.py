"""The receiver of webhooks hears what is sent to its own address, and nothing else."""

from __future__ import annotations

import asyncio

import httpx

from jobs.management.loadtest.webhook_ear import webhook_ear

JOB = "01a227e3-b946-77de-b51c-57fae97add92"
BODY = (
    b'{"type": "job.succeeded", "data": {"id": "%s", "state": "succeeded", "model": "echo"}}' % JOB.encode()
)


def test_only_webhooks_to_its_own_address_are_heard() -> None:
    heard: list[tuple[str, str]] = []

    async def call() -> list[int]:
        ear = webhook_ear(lambda job, state, _: heard.append((job, state)))
        async with ear as url, httpx.AsyncClient(trust_env=False) as client:
            calls = [(url, BODY), (url, b"nothing"), (f"{url}x", BODY), (url, BODY)]
            return [(await client.post(address, content=body)).status_code for address, body in calls]

    assert asyncio.run(call()) == [204, 400, 404, 204]
    assert heard == [(JOB, "succeeded")] * 2
