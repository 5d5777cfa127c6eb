#!/usr/bin/env python3
"""Steps of the build of an image, in the environment /opt/packages that runs this: see the Dockerfile.

    strip             takes out of shared libraries the symbols that only a debugger reads
    trim              removes what no process of the platform reads: see UNREAD
    link              lets Python find the code in /app
    compile-imported  writes the bytecode of the modules that the processes import, see IMPORTS
    compile-all       writes the bytecode of everything

Bytecode is written without the time of its source, so that it is valid after a copy, and equal in each build.
"""

from __future__ import annotations

import compileall
import json
import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGES = Path(sysconfig.get_path("purelib"))
CODE = Path("/app")
VALID = py_compile.PycInvalidationMode.UNCHECKED_HASH
# Of `boto3` the platform calls the first two, and the others log in to them.
AWS_SERVICES = frozenset({"s3", "kms", "sts", "sso", "sso-oidc", "signin"})
UNREAD = (
    "**/tests",
    "tornado/test",
    "django/contrib/gis",
    "PIL/_avif*.so",  # a kind of picture that nothing draws, and its library
    "pillow.libs/libavif*",
    "matplotlib/mpl-data/sample_data",
    "matplotlib/mpl-data/fonts/afm",  # of PostScript and PDF
    "matplotlib/mpl-data/fonts/pdfcorefonts",
    "numpy/distutils",
    "numpy/f2py",
    "numpy/**/*.a",
    "**/*.pyi",
    "**/*.pxd",
    "**/*.h",
    "**/*.c",  # what Cython made of Python
    "**/*.pyx",
    "**/*.js.map",
    "**/*.css.map",
)
_SETUP = "import django; django.setup(); from django.core.management import get_commands, load_command_class"
# What each process imports up to its first picture, by its service's name in compose.yaml.
IMPORTS: Mapping[str, str] = {
    "web": """
import inference_site.asgi, granian.cli
from django.urls import get_resolver
def walk(resolver):
    for pattern in getattr(resolver, "url_patterns", ()):
        walk(pattern)
walk(get_resolver())
import jobs.admin.drawing, matplotlib.figure, matplotlib.backends.backend_agg
import matplotlib.dates, matplotlib.ticker
""",
    "relay": f"{_SETUP}; load_command_class('jobs', 'relay')",
    "cpu-worker": """
import inference_site.celery
inference_site.celery.app.loader.import_default_modules()
import celery.bin.celery, celery.bin.worker, celery.apps.worker, celery.concurrency.thread
""",
    "beat": """
import inference_site.celery
inference_site.celery.app.loader.import_default_modules()
import celery.bin.celery, celery.bin.beat, celery.apps.beat
""",
    "flower": "import inference_site.viewer.serve_events",
    "migrate": f"""
{_SETUP}
from django.db.migrations.loader import MigrationLoader
MigrationLoader(None)
names = "check migrate createsuperuser retention register_builtin_models database_roles health"
for name in f"{{names}} create_token two_factor".split():
    load_command_class(get_commands()[name], name)
""",
}
SETTINGS = {
    "SECRET_KEY": "of-no-process",
    "DATABASE_URL": "postgresql://nobody/none",
    "BROKER_URL": "amqp://nobody:none@nowhere:5672/none",
    "DJANGO_SETTINGS_MODULE": "inference_site.settings",
}


def unread(packages: Path = PACKAGES) -> Iterator[Path]:
    """Yield the files and folders under `packages` that no process reads."""
    for pattern in UNREAD:
        yield from packages.glob(pattern)
    for folder in packages.glob("django/**/LC_MESSAGES"):
        if folder.parent.name != "en":  # the language of all pages
            yield folder
    for folder in packages.glob("botocore/data/*/"):
        if folder.is_dir() and folder.name not in AWS_SERVICES:
            yield folder


def trim() -> None:
    """Remove what no process reads."""
    for path in list(unread()):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def strip() -> None:
    """Take out of the packages' own shared libraries the symbols that only a debugger reads.

    Those in folders `*.libs` were changed by the tool that put them into the wheel, and `strip` breaks them.
    """
    libraries = [path for path in PACKAGES.rglob("*.so") if path.is_file() and not path.is_symlink()]
    for library in libraries:
        if not any(parent.suffix == ".libs" for parent in library.parents):
            subprocess.run(["strip", "--strip-unneeded", str(library)], check=True)


def link() -> None:
    """Let Python find the code and the client's package, and `manage.py` and its packages in any folder."""
    (PACKAGES / "inference.pth").write_text(f"{CODE}\n{CODE}/jobs/client/src\n")


def imported(process: str, settings: Mapping[str, str] = SETTINGS) -> list[str]:
    """Return the source files of all modules that the process imports."""
    program = (
        f"{IMPORTS[process]}\nimport json, sys\n"
        "print(json.dumps([getattr(m, '__file__', None) or '' for m in list(sys.modules.values())]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    files: list[str] = json.loads(done.stdout.splitlines()[-1])
    return files


def compile_imported() -> None:
    """Write the bytecode of every module of the packages and the code that some process imports."""
    compiled = set[str]()
    for process in IMPORTS:  # the next one then imports what is compiled
        for file in {name for name in imported(process) if name.endswith(".py")} - compiled:
            if Path(file).is_relative_to(PACKAGES) or Path(file).is_relative_to(CODE):
                py_compile.compile(file, doraise=True, invalidation_mode=VALID)
            compiled.add(file)


def compile_all() -> None:
    """Write the bytecode of the packages and the code; templates of Python files stay as they are."""
    for folder in (PACKAGES, CODE):
        compileall.compile_dir(folder, quiet=2, invalidation_mode=VALID, workers=0)


STEPS = {
    "strip": strip,
    "trim": trim,
    "link": link,
    "compile-imported": compile_imported,
    "compile-all": compile_all,
}

if __name__ == "__main__":
    for step in sys.argv[1:]:
        STEPS[step]()
