"""What `pip install` gives: the platform with its script, and the client alone, against a running stack."""

from __future__ import annotations

import subprocess
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest

from inference_site.stack.harness import Stack
from inference_site.stack.services import PROJECT
from tests.support.app import stack_env
from tests.support.wheels import HERE, build_wheels, environment, link_packages

OF_THE_CLIENT = ("httpx", "httpcore", "h11", "anyio", "certifi", "idna", "msgspec", "typing_extensions.py")
FIVE_LINES = """
from inference_client import Client
with Client({api!r}, {token!r}) as client:
    job = client.submit("minilm", {{"text": "Good morning."}})
    print(len(client.wait(job, timeout_s=30).output["embedding"]))
"""
ITS_PARTS = """
import importlib.util, inference_client, inference_client.webhook
others = ("django", "celery", "jobs", "models_registry")
print([name for name in others if importlib.util.find_spec(name)])
"""
PAGES = """
import django
django.setup()
import inference_client, inference_site, jobs.client
from django.template.loader import get_template
from inference_site.documents import NAMES, FOLDER
assert all((FOLDER / f"{name}.md").is_file() for name in NAMES)
assert get_template("documents/page.html") and get_template("admin/jobs/actions.html")
assert jobs.client.Client is inference_client.Client
print(inference_site.__file__, inference_client.__file__)
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build_wheels(tmp_path_factory.mktemp("built"))


def run(*words: str, cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_platform_s_wheel_has_every_file_of_the_tree(wheels: dict[str, Path]) -> None:
    client = PROJECT / "jobs/client"
    packed = {name for name in ZipFile(wheels["inference_platform"]).namelist() if ".dist-info/" not in name}
    own = {
        path for app in ("inference_site", "jobs", "models_registry") for path in (PROJECT / app).rglob("*")
    }
    files = {path for path in own if path.is_file() and path.suffix != ".pyc"}
    tree = {str(path.relative_to(PROJECT)) for path in files if client not in path.parents}
    module = {str(path.relative_to(client / "src")) for path in files if client / "src" in path.parents}
    assert packed == tree | module | {"jobs/client/__init__.py"}


def test_the_script_migrates_and_finds_its_pages_in_any_folder(
    stack: Stack, wheels: dict[str, Path], tmp_path: Path
) -> None:
    packages = environment(tmp_path / "venv", wheels["inference_platform"])
    (packages / "libraries.pth").write_text(f"{HERE}\n")
    (tmp_path / "elsewhere").mkdir()
    env = stack_env(stack) | {"PAYLOAD_DIR": str(tmp_path / "payloads")}
    script, python = str(tmp_path / "venv/bin/inference"), str(tmp_path / "venv/bin/python")
    run(script, "migrate", "--check", cwd=tmp_path / "elsewhere", env=env)
    assert "--models" in run(script, "gpu_worker", "--help", cwd=tmp_path / "elsewhere", env=env)
    site, client = run(python, "-c", PAGES, cwd=tmp_path / "elsewhere", env=env).split()
    assert packages in Path(site).parents
    assert packages in Path(client).parents


def test_five_lines_reach_a_stack_with_the_client_and_its_few_libraries(
    stack: Stack, wheels: dict[str, Path], tmp_path: Path
) -> None:
    link_packages(environment(tmp_path / "venv", wheels["inference_client"]), *OF_THE_CLIENT)
    python = str(tmp_path / "venv/bin/python")
    assert run(python, "-c", ITS_PARTS, cwd=tmp_path, env={}) == "[]\n"
    lines = FIVE_LINES.format(api=stack.info["api"], token=stack.info["token"])
    assert run(python, "-c", lines, cwd=tmp_path, env={}) == "384\n"


def test_the_client_s_wheel_asks_for_few_libraries_and_has_extras(wheels: dict[str, Path]) -> None:
    archive = ZipFile(wheels["inference_client"])
    (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    about = message_from_bytes(archive.read(name))
    needs = [line for line in about.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(needs) == ["h11<1,>=0.16", "httpx>=0.28", "msgspec>=0.22"]
    assert set(about.get_all("Provides-Extra", [])) == {"webhooks", "celery", "numpy"}
