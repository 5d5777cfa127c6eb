"""`python -m tests.smoke_image`: builds both images, runs the stack of containers, and takes it all away.

Exit status 1 where something is wrong, 77 where the test did not run: the last lines say what is missing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from inference_site.stack.services import PROJECT
from tests.smoke_image import checks, images, needs
from tests.smoke_image.bases import make_bases
from tests.smoke_image.containers import Stack
from tests.smoke_image.engine import Engine, EngineError
from tests.support.did_not_run import did_not_run
from tests.support.wait import NotInTimeError

HOME = PROJECT / ".run" / "smoke_image"


def main(words: list[str]) -> int:
    """Run the whole test; return the exit status."""
    arguments = _parser().parse_args(words)
    try:
        needs.check(install=arguments.install)
    except needs.DidNotRunError as error:
        return did_not_run("make smoke-image", error)
    engine = Engine(HOME)
    try:
        return _run(engine)
    except needs.DidNotRunError as error:  # apt knows no archive to build from
        return did_not_run("make smoke-image", error)
    except (EngineError, NotInTimeError) as error:
        print(f"FAILED: {error}\n{engine.log} has every command.")
        return 1
    finally:
        with _timed("cleaning up"):
            engine.remove_containers() if arguments.keep_images else engine.remove_all()


def _run(engine: Engine) -> int:
    engine.remove_containers()  # of a run that was killed
    _step("base images of Debian's packages", make_bases, engine)
    _step("the two images", images.build_images, engine)
    for image, size in images.sizes(engine).items():
        print(f"{image}: {size / 1e6:,.0f} MB")
    wrong = [*images.wrong_contents(engine), *images.bad_starts(engine)]
    with _timed("rendering and starting"):
        stack = Stack(engine)
        for name, seconds in stack.start().items():
            print(f"  {seconds:6.1f} s  {name}")
    for check in (
        checks.confined,
        checks.healthy,
        checks.jobs_run,
        checks.versions_are_registered,
        checks.worker_drains,
        checks.all_end_in_time,
    ):
        with _timed(check.__name__):
            wrong += check(stack)
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    print(f"{len(wrong)} wrong.")
    return 1 if wrong else 0


def _step(name: str, act: Callable[[Engine], None], engine: Engine) -> None:
    with _timed(name):
        act(engine)


@contextmanager
def _timed(name: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"{name} …", flush=True)
    yield
    print(f"{name}: {time.monotonic() - began:,.0f} s", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.smoke_image", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--install", action="store_true", help="install what is missing from Debian's packages"
    )
    parser.add_argument("--keep-images", action="store_true", help="leave the images for the next run")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
