import json
from pathlib import Path

from inference_site.stack.prepare import Credentials
from inference_site.stack.record import stack_info, write_stack_info
from inference_site.stack.specs import StackPlan

PLAN = StackPlan(
    run_dir=Path("/run"),
    api_port=1,
    stream_port=2,
    flower_port=3,
    metrics_ports={"web": 4, "relay": 5},
    gpus=0,
    workers=1,
    login="admin:secret",
)
SERVICES = {"DATABASE_URL": "database", "BROKER_URL": "broker", "RABBITMQ_MANAGEMENT_URL": "management"}


class FakeChild:
    pid = 7


class FakeServed:
    def __init__(self, name: str, child: FakeChild | None) -> None:
        self.name, self.child = name, child


def test_the_file_has_every_address() -> None:
    served = [FakeServed("web", FakeChild()), FakeServed("relay", None)]
    info = stack_info(PLAN, SERVICES, Credentials("admin", "secret", "token"), served)  # type: ignore[arg-type]  # fakes
    assert info == {
        "api": "http://127.0.0.1:1",
        "stream": "http://127.0.0.1:2",
        "admin": "http://127.0.0.1:1/admin/",
        "flower": "http://127.0.0.1:3",
        "metrics": "http://127.0.0.1:1/metrics",
        "metrics_pages": {"web": "http://127.0.0.1:4/metrics"},
        "database": "database",
        "broker": "broker",
        "rabbitmq_management": "management",
        "token": "token",
        "admin_user": "admin",
        "admin_password": "secret",
        "pids": {"web": 7},
    }


def test_the_file_is_replaced_atomically_and_private(tmp_path: Path) -> None:
    for number in (1, 2):
        write_stack_info(tmp_path, {"number": number})
    path = tmp_path / "stack.json"
    assert json.loads(path.read_text()) == {"number": 2}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["stack.json"]
