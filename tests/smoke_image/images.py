"""The two images of compose/Dockerfile: built from wheels that pip fetched here, and looked into."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

from inference_site.stack.services import PROJECT
from tests.smoke_image.bases import BASE, BUILD
from tests.smoke_image.engine import Engine, EngineError, command

WEB, WORKER = "localhost/smoke-web", "localhost/smoke-worker"
TARGETS = {WEB: "web", WORKER: "worker"}
LOCKS = PROJECT / "compose"
CUDA = re.compile(r"(?m)^(?:nvidia-(?!ml-py)|cuda|triton|torch==)\S* \\\n(?: .*\n)+")
MOST_BYTES = {WEB: 400_000_000, WORKER: 2_300_000_000}  # the worker's with torch's CPU build
TEST_TOOLS = ("pytest", "moto", "flask", "hypothesis", "mypy")
FRAMEWORKS = ("torch", "transformers", "sentence_transformers", "onnxruntime", "sklearn", "safetensors")
LOOK = """
import importlib.util, json, os, sys
from pathlib import Path
found = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
names = [str(path) for path in Path("/app").rglob("*")]
endings = ("/.env", "/.git", "/.run", "/tests", "/rendered", ".key", ".pem")
odd = [name for name in names if name.endswith(endings)]
mine = [name for name in ("/app", "/opt/packages", sys.prefix) if os.access(name, os.W_OK)]
print(json.dumps({"uid": os.getuid(), "modules": found, "odd": odd, "writable": mine}))
"""


def build_images(engine: Engine) -> None:
    """Build each image that is missing."""
    if all(map(engine.has_image, TARGETS)):
        return
    wheels = _wheels(engine)
    for image, target in TARGETS.items():
        engine.run(
            "build", "--file", str(PROJECT / "compose/Dockerfile"), "--target", target, "--tag", image,
            "--build-arg", "TORCH=cpu",
            "--build-arg", f"BASE_IMAGE={BASE}", "--build-arg", f"BUILD_IMAGE={BUILD}",
            *wheels, str(PROJECT),
        )  # fmt: skip


def wrong_contents(engine: Engine) -> Iterator[str]:
    """Yield a sentence for each thing that an image should not have, or is too large."""
    for image, most in MOST_BYTES.items():
        if (size := engine.image_bytes(image)) > most:
            yield f"{image} has {size / 1e6:,.0f} MB; {most / 1e6:,.0f} are allowed."
        names = (*TEST_TOOLS, *(FRAMEWORKS if image == WEB else ()))
        seen = json.loads(engine.say("run", "--rm", "--network", "none", image, "python", "-c", LOOK, *names))
        if seen != {"uid": 10001, "modules": [], "odd": [], "writable": []}:
            yield f"{image}: {seen}"


def _wheels(engine: Engine) -> list[str]:
    """Fetch every wheel with this machine's pip; return the options that let the build's pip find them."""
    folder = engine.home / "wheels"
    folder.mkdir(exist_ok=True)
    ours = engine.home / "ours.lock"
    ours.write_text(CUDA.sub("", (LOCKS / "runtime.lock").read_text()))
    for lock in (ours, LOCKS / "torch-cpu.lock"):  # web.lock has nothing that the first has not
        words = [
            "download",
            "--quiet",
            "--require-hashes",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--dest",
            str(folder),
        ]
        done = command([sys.executable, "-m", "pip", *words, "-r", str(lock)], engine.log)
        if done.returncode:
            raise EngineError(f"pip cannot fetch {lock.name}: {done.stderr.strip()[-500:]}")
    config = engine.home / "pip.conf"
    config.write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    return ["--volume", f"{folder}:/wheels:ro", "--volume", f"{config}:/etc/pip.conf:ro"]


def bad_starts(engine: Engine) -> Iterator[str]:
    """Yield a sentence for each process that starts without its settings, or does not say what is missing."""
    for image, words, settings, expected in _STARTS:
        options = [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
        done = engine.run(
            "run", "--rm", "--read-only", "--network", "none", *options, image, *words, check=False
        )
        last = (done.stdout + done.stderr).strip()
        if done.returncode == 0 or not re.search(expected, last) or "Traceback" in last:
            yield f"{' '.join(words)}: status {done.returncode}, {last[-300:]!r} instead of {expected!r}"


_WHOLE = {
    "SECRET_KEY": "0123456789" * 6,
    "DATABASE_URL": "postgresql://inference:x@postgres/inference",
    "BROKER_URL": "amqp://relay:x@rabbitmq:5672/inference",
}
_SERVE = ("granian", "--interface=asgi", "inference_site.asgi:application")
_CELERY = ("celery", "-A", "inference_site")
_STARTS: tuple[tuple[str, tuple[str, ...], dict[str, str], str], ...] = (
    (WEB, _SERVE, {}, "DATABASE_URL is not set"),
    (WEB, ("python", "manage.py", "relay"), {}, "DATABASE_URL is not set"),
    (WEB, ("python", "manage.py", "migrate"), {}, "DATABASE_URL is not set"),
    (WEB, (*_CELERY, "worker"), {}, "DATABASE_URL is not set"),
    (WEB, (*_CELERY, "beat"), {}, "BROKER_URL is not set"),
    (WEB, ("python", "-m", "inference_site.viewer.serve_events"), {}, "BROKER_URL is not set"),
    (
        WORKER,
        ("python", "manage.py", "gpu_worker", "--cpu", "--models", "minilm"),
        {},
        "DATABASE_URL is not set",
    ),
    (WEB, ("python", "manage.py", "relay"), {**_WHOLE, "QUEUE_DEPTH": "many"}, "QUEUE_DEPTH"),
    (WEB, ("python", "manage.py", "relay"), {**_WHOLE, "BROKER_URL": "relay"}, "BROKER_URL"),
)


def sizes(engine: Engine) -> dict[str, int]:
    """Return the bytes of each image by its name."""
    return {image: engine.image_bytes(image) for image in (BASE, *TARGETS)}
