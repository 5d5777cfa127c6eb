"""One stack for all acceptance tests, on servers of its own, so that a test may stop or kill them."""

from collections.abc import Iterator

import kombu
import pytest

from inference_site.stack.harness import Stack
from tests.support.app import App, register
from tests.support.collector import Collector, collecting
from tests.support.stacks import own_stack
from tests.support.wait import wait_until

ONLY = ("web", "stream", "relay", "gpu-worker-0", "cpu-worker", "flower")
# Versions so slow that a test can act in the middle of a batch; their models' workers serve them.
SLOW = {"slow": 1.0, "steady": 0.05}


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="session")
def stack(collector: Collector) -> Iterator[Stack]:
    # Only what a caller asks for is traced.
    traced = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_TRACES_SAMPLER": "parentbased_always_off",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "TRACE_CALLER_PER_S": "1000",
    }
    scaled = {"SCALE_IDLE_S": "3", "SCALE_COOLDOWN_S": "3"}
    env = {"WEBHOOK_INTERNAL_HOSTS": "127.0.0.1", **traced, **scaled}
    with own_stack("acceptance", only=ONLY, env=env) as stack:
        for version, base_s in SLOW.items():
            register(stack, "sleeper", version, "sleeper", base_s=base_s)
        register(stack, "echo", "faulty", "faulty", batch_limit_s=5)
        yield stack


@pytest.fixture
def app(stack: Stack) -> Iterator[App]:
    app = App(stack)
    # The stack works again after the test before, and the live jobs of a test that failed are gone.
    app.finished(app.submit("sleeper", {}, priority=9)["id"])
    app.cancel_live()
    wait_until(lambda: app.rows("SELECT count(*) FROM jobs_outbox") == [(0,)])
    yield app
    app.close()


@pytest.fixture
def broker(stack: Stack, app: App) -> Iterator[kombu.Connection]:
    with kombu.Connection(stack.info["broker"]) as connection:
        yield connection
