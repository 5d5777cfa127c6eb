"""The programs of the stack: a function for the command of each."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from inference_site.config import Config
from inference_site.stack.ports import LOOPBACK, RememberedPorts
from inference_site.stack.program import Spec
from inference_site.stack.stack_errors import StartError
from jobs.broker.topology import CPU_NODE, TASK_QUEUES
from models_registry.environments.make import own_libraries
from models_registry.environments.requirements import REQUIREMENTS, names_libraries
from models_registry.loaders.folder.own_class import folder_name
from models_registry.shared.platform_errors import PlatformError

WORKER_GRACE_S = 35.0
APPLICATION = "inference_site.asgi:application"
MAIN_LOGS = Path(__file__).parents[1] / "logs" / "granian_logs.json"  # of granian's main process
# Only where HTTP/1 is the one protocol does the limit for headers count from a connection's start: else one
# that sends nothing stays for ever. HTTP/2 would also bring 16 MB of headers and 200 calls with it.
HEADERS = ("--http", "1", "--http1-header-read-timeout", "30000", "--http1-buffer-size", "131072")
MODELS = "minilm,echo,sleeper"
STOPS_FIRST, STOPS_NEXT = 0, 1
WEB = "web"
FLOWER = "flower"
ONE_OF_EACH = (WEB, "stream", "relay", "cpu-worker", "beat", FLOWER)


@dataclass(frozen=True)
class ServedModels:
    """What `make up MODELS=./my_model,minilm` serves: names of models, and the folders among them."""

    names: tuple[str, ...]
    folders: Mapping[str, Path]
    requirements: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, words: Sequence[str]) -> Self:
        """Read names and paths of folders; StartError for a wrong folder. By default: the built-in."""
        if not words:
            return cls(tuple(MODELS.split(",")), {})
        named = {_name(word): Path(word).resolve() for word in words if "/" in word}
        files = {name: folder / REQUIREMENTS for name, folder in named.items()}
        own = {name: _checked(file) for name, file in files.items() if names_libraries(file)}
        return cls(tuple(_name(word) if "/" in word else word for word in words), named, own)

    @property
    def shared(self) -> str:
        """Return the models whose libraries are the platform's: the same workers serve them all."""
        return ",".join(name for name in self.names if name not in self.requirements)

    def env(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variable that lets workers load the folders: who named them here allows their code."""
        allowed = [*filter(None, environ.get("MODEL_FOLDERS", "").split(",")), *self.folders]
        return {"MODEL_FOLDERS": ",".join(allowed)}


@dataclass(frozen=True, kw_only=True)
class StackPlan:
    """The programs' ports, the numbers of processes, and Flower's login."""

    run_dir: Path
    api_port: int
    stream_port: int
    flower_port: int
    gpus: int
    workers: int
    login: str
    web_workers: int = Config.web_workers
    models: str = MODELS
    requirements: Mapping[str, Path] = field(default_factory=dict)
    metrics_ports: Mapping[str, int] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        """Return the base URL of the REST API."""
        return f"http://{LOOPBACK}:{self.api_port}"

    @property
    def stream_url(self) -> str:
        """Return the base URL of the waiting calls."""
        return f"http://{LOOPBACK}:{self.stream_port}"

    @property
    def flower_url(self) -> str:
        """Return Flower's URL."""
        return f"http://{LOOPBACK}:{self.flower_port}"

    @property
    def metrics_url(self) -> str:
        """Return the page with the metrics of all processes."""
        return f"{self.api_url}/metrics"

    @property
    def metrics_pages(self) -> dict[str, str]:
        """Return each process's own page, by the process's name."""
        return {name: f"http://{LOOPBACK}:{port}/metrics" for name, port in self.metrics_ports.items()}

    def with_metrics(self, spec: Spec) -> Spec:
        """Return a program with a page and a folder of its own; those of the others lie in that of `web`."""
        if spec.name not in self.metrics_ports:
            return spec
        folder = self.run_dir / "metrics"
        env = {
            "METRICS_PORT": str(self.metrics_ports[spec.name]),
            "METRICS_HOST": LOOPBACK,
            "PROMETHEUS_MULTIPROC_DIR": str(folder if spec.name == WEB else folder / spec.name),
        }
        return replace(spec, env={**spec.env, **env})


def make_plan(
    *,
    run_dir: Path,
    workers: int | None,
    login: str,
    web_workers: int = Config.web_workers,
    served: ServedModels | None = None,
) -> StackPlan:
    """Return a plan on free ports; by default with a worker for each GPU, or one on the CPU."""
    served = served or ServedModels.of(())
    gpus = count_gpus()
    workers = max(1, gpus) if workers is None else workers
    ports = RememberedPorts(run_dir)
    api, stream, flower = ports.take(WEB, "stream", FLOWER)
    names = (*ONE_OF_EACH, *map(gpu_worker_name, range(workers + len(served.requirements))))
    pages = ports.take(*(f"metrics of {name}" for name in names))
    return StackPlan(
        run_dir=run_dir,
        api_port=api,
        stream_port=stream,
        flower_port=flower,
        metrics_ports=dict(zip(names, pages, strict=True)),
        gpus=gpus,
        workers=workers,
        web_workers=web_workers,
        models=served.shared,
        requirements=served.requirements,
        login=login,
    )


def count_gpus() -> int:
    """Return how many CUDA devices nvidia-smi lists; 0 if it is missing or fails."""
    if shutil.which("nvidia-smi") is None:
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


def specs(plan: StackPlan) -> list[Spec]:
    """Return all programs of the stack, in the order of their start."""
    first = [_web(plan), _stream(plan), _relay()]
    every = [*first, *_gpu_workers(plan), _cpu_worker(), _beat(), _flower(plan)]
    return [plan.with_metrics(spec) for spec in every]


def chosen(everything: list[Spec], only: Sequence[str]) -> list[Spec]:
    """Return the specs named in `only` (`gpu-worker` means all of that kind); all if it is empty."""
    matches = [s for s in everything if not only or {s.name, s.name.rstrip("-0123456789")} & {*only}]
    names = {s.name for s in everything} | {"gpu-worker"}
    if unknown := sorted(set(only) - names):
        raise ValueError(f"no such process: {', '.join(unknown)}; there are {', '.join(sorted(names))}")
    return matches


def gpu_worker_name(index: int) -> str:
    """Return the name of the GPU worker with this number."""
    return f"gpu-worker-{index}"


def python(*words: str) -> tuple[str, ...]:
    """Return the command that runs a module with this interpreter."""
    return (sys.executable, "-m", *words)


def manage(*words: str) -> tuple[str, ...]:
    """Return the command that runs a management command."""
    return (sys.executable, "manage.py", *words)


def _granian(port: int, workers: int) -> tuple[str, ...]:
    listen = ("--host", LOOPBACK, "--port", str(port), "--backlog", "2048", "--no-ws")
    lives = ("--workers", str(workers), "--respawn-failed-workers", "--workers-kill-timeout", "8")
    logs = ("--log-config", str(MAIN_LOGS))
    return python("granian", "--interface", "asgi", *listen, *lives, *HEADERS, *logs)


def _web(plan: StackPlan) -> Spec:
    argv = (*_granian(plan.api_port, plan.web_workers), APPLICATION)
    health = f"{plan.api_url}/healthz"
    # Granian's workers survive a SIGKILL of Granian, but SIGTERM makes it stop them.
    return Spec(name=WEB, argv=argv, health_url=health, death=signal.SIGTERM)


def _stream(plan: StackPlan) -> Spec:
    argv = (*_granian(plan.stream_port, 1), APPLICATION)
    health = f"{plan.stream_url}/healthz"
    return Spec(name="stream", argv=argv, health_url=health, death=signal.SIGTERM)


def _relay() -> Spec:
    return Spec(name="relay", argv=manage("relay"), health="relay")


def _gpu_workers(plan: StackPlan) -> Iterator[Spec]:
    """Yield the workers of the shared models, then one for each model with libraries of its own."""
    shared = plan.workers if plan.models else 0
    yield from (_gpu_worker(plan, index, plan.models) for index in range(shared))
    for index, (name, file) in enumerate(plan.requirements.items(), shared):
        yield _gpu_worker(plan, index, name, "--env", name, "--requirements", str(file))


def _gpu_worker(plan: StackPlan, index: int, models: str, *options: str) -> Spec:
    device = ("--gpu", str(index % plan.gpus)) if plan.gpus else ("--cpu",)
    argv = manage("gpu_worker", *device, "--models", models, "--index", str(index), *options)
    name, health = gpu_worker_name(index), f"worker-{index}"
    return Spec(name=name, argv=argv, health=health, grace_s=WORKER_GRACE_S, rank=STOPS_NEXT)


def _celery(*words: str) -> tuple[str, ...]:
    return python("celery", "-A", "inference_site", *words)


def _cpu_worker() -> Spec:
    queues = ",".join(queue.name for queue in TASK_QUEUES)
    options = ("-Q", queues, "-n", f"{CPU_NODE}@%h", "--pool", "threads")
    quiet = ("--without-mingle", "--without-gossip")
    argv = _celery("worker", *options, *quiet)
    return Spec(name="cpu-worker", argv=argv, health=CPU_NODE, grace_s=WORKER_GRACE_S, rank=STOPS_NEXT)


def _beat() -> Spec:
    return Spec(name="beat", argv=_celery("beat", "--pidfile", ""))


def _flower(plan: StackPlan) -> Spec:
    listen = (f"--address={LOOPBACK}", f"--port={plan.flower_port}")
    argv = python("inference_site.viewer.serve_events", *listen)
    # The password is in the environment, because every user can read command lines.
    env = {"FLOWER_BASIC_AUTH": plan.login}
    return Spec(name=FLOWER, argv=argv, env=env, health_url=f"{plan.flower_url}/healthcheck")


def _name(word: str) -> str:
    if not Path(word).is_dir():
        raise StartError(f"There is no folder {word}; manage.py new_model NAME writes one that works.")
    try:
        return folder_name(Path(word))
    except PlatformError as error:
        raise StartError(str(error)) from None


def _checked(requirements: Path) -> Path:
    try:
        own_libraries(requirements)
    except PlatformError as error:
        raise StartError(f"{requirements}: {error}") from None
    return requirements
