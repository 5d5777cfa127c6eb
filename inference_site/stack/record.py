"""`stack.json`: addresses and logins of the stack, for people, tests and the demo."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from inference_site.stack.prepare import Credentials
from inference_site.stack.private_files import write_private
from inference_site.stack.served import Served
from inference_site.stack.specs import StackPlan

FILE = "stack.json"


def stack_info(
    plan: StackPlan, services: Mapping[str, str], credentials: Credentials, served: Iterable[Served]
) -> dict[str, object]:
    """Return the contents of stack.json; Flower has the admin's login."""
    pids = {process.name: process.child.pid for process in served if process.child is not None}
    return {
        "api": plan.api_url,
        "stream": plan.stream_url,
        "admin": f"{plan.api_url}/admin/",
        "flower": plan.flower_url,
        "metrics": plan.metrics_url,
        "metrics_pages": {name: page for name, page in plan.metrics_pages.items() if name in pids},
        "database": services["DATABASE_URL"],
        "broker": services["BROKER_URL"],
        "rabbitmq_management": services["RABBITMQ_MANAGEMENT_URL"],
        "token": credentials.token,
        "admin_user": credentials.admin_user,
        "admin_password": credentials.admin_password,
        "pids": pids,
    }


def write_stack_info(run_dir: Path, info: Mapping[str, object]) -> None:
    """Replace stack.json, mode 0600."""
    write_private(run_dir / FILE, json.dumps(info, indent=1) + "\n")
