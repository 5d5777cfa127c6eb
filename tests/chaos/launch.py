"""`python -m tests.chaos.launch RUN_DIR WIRING`: the stack, its programs reaching the servers over links."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from inference_site.stack.program import Spec
from inference_site.stack.specs import MODELS, specs
from inference_site.stack.supervisor import Options, Supervisor
from tests.chaos.wiring import Wiring
from tests.support.pgbouncer import command

PROGRAMS = ("web", "relay", "gpu-worker")
POOLER = "pgbouncer"
WORKERS = 2
# Both workers share the queues of the light models; only one loads the real model.
LIGHT_MODELS = "echo,sleeper"


def main(run_dir: Path, wiring: Wiring) -> int:
    for name in ("DATABASE_URL", "BROKER_URL", "RABBITMQ_MANAGEMENT_URL"):
        os.environ.pop(name, None)
    os.environ.update(wiring.env)
    only = (POOLER, *PROGRAMS) if wiring.pooler else PROGRAMS
    supervisor = Supervisor(Options(run_dir=run_dir, only=only, workers=WORKERS))
    postgres, rabbitmq = supervisor._services.postgres, supervisor._services.rabbitmq
    assert postgres is not None
    postgres.port = wiring.postgres
    if rabbitmq is not None:
        rabbitmq.ports = wiring.rabbit_ports
    broker = supervisor._services.env["BROKER_URL"]
    through = partial(wiring.through_links, database=postgres.url, broker=broker, clock=run_dir / "clock")
    before = [_pooler(run_dir, wiring, postgres.url)] if wiring.pooler else []
    supervisor._table = lambda plan: [*before, *(through(_lightened(spec)) for spec in specs(plan))]
    return supervisor.run()


def _pooler(run_dir: Path, wiring: Wiring, database: str) -> Spec:
    """Return pgbouncer in transaction mode, in front of the database."""
    argv, env = command(database, "transaction", run_dir / "pgbouncer.ini", port=wiring.pooler)
    return Spec(name=POOLER, argv=argv, env={"LD_LIBRARY_PATH": env.get("LD_LIBRARY_PATH", "")})


def _lightened(spec: Spec) -> Spec:
    if spec.name != "gpu-worker-1":
        return spec
    return replace(spec, argv=tuple(LIGHT_MODELS if word == MODELS else word for word in spec.argv))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Wiring.load(Path(sys.argv[2]))))
