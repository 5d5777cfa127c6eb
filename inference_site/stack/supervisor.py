"""The supervisor: it starts the stack in order, keeps it running, and ends it in order.

It has one thread, also because the kernel ends a child together with the thread that started it.
"""

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from inference_site.config import Config, setting_rows
from inference_site.stack.beside import FILE as SETTINGS_FILE
from inference_site.stack.beside import write_settings
from inference_site.stack.console import Console
from inference_site.stack.keeper import Keeper
from inference_site.stack.leash import Child, Command, death_words
from inference_site.stack.prepare import Credentials, login, prepare, register_folders
from inference_site.stack.private_files import empty_dir, payload_key, private_dir, secret
from inference_site.stack.program import Program, Spec
from inference_site.stack.record import FILE, stack_info, write_stack_info
from inference_site.stack.served import Served, stop_together
from inference_site.stack.services import PROJECT, Services
from inference_site.stack.specs import FLOWER, ServedModels, StackPlan, chosen, make_plan, manage, specs
from inference_site.stack.stack_errors import StartError
from inference_site.stack.supervisor_lock import supervisor_lock

LOOK_S = 0.1
COMMAND_GRACE_S = 30.0
WORK_TIMEOUT_S = 240.0  # the largest model is read from the disk for some 40 s on a slow machine
# Not for other terminals: each process of the stack has a page of its own, and the counts are theirs.
FOLDERS = {"MODEL_FOLDERS"}  # made of what is given and of the folders to serve
ONE_PROCESS = {"METRICS_PORT", "PROMETHEUS_MULTIPROC_DIR"}
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Prepare = Callable[..., Credentials]


class Stopped(BaseException):
    """A signal ends the supervisor; this is not an Exception, so that no handler catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True, kw_only=True)
class Options:
    """The run directory, the programs (all by default), GPU workers, models or folders, extra variables."""

    run_dir: Path
    only: Sequence[str] = ()
    workers: int | None = None
    models: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    durable: bool = True


class Supervisor:
    """The parent of all processes of a stack."""

    def __init__(
        self,
        options: Options,
        *,
        table: Callable[[StackPlan], list[Spec]] = specs,
        prepare: Prepare = prepare,
    ) -> None:
        """Prepare to run the programs of `table`, once `prepare` has prepared the database."""
        self.options = options
        self.run_dir = private_dir(options.run_dir)
        self._table, self._prepare = table, prepare
        self._credentials = Credentials()
        self._models = ServedModels.of(options.models)
        self._services = Services(run_dir=self.run_dir, durable=options.durable)
        self._programs: list[Program] = []
        self._console = Console()

    def run(self, command: Sequence[str] = ()) -> int:
        """Run the stack until a signal comes or `command` ends; return the exit status."""
        with supervisor_lock(self.run_dir), _stop_signals():
            try:
                self._start()
                self._console.ready(self._info(), self.run_dir, at_length=not command)
                return self._keep(command)
            except Stopped as stopped:
                return 128 + stopped.number if command else 0
            finally:
                self._stop()

    def _start(self) -> None:
        self._plan = self._make_plan()
        selected = chosen(self._table(self._plan), self.options.only)
        self._start_servers()
        self._env = self._environment()
        write_settings(self.run_dir, ours=self._shared_settings())
        self._credentials = self._prepare(
            self.run_dir,
            env=self._env,
            project=PROJECT,
            say=self._console.step,
            superuser=self._services.superuser_env,
            owner=self._services.owner_env,
        )
        folders = self._models.folders.values()
        register_folders(folders, env=self._env, project=PROJECT, say=self._console.step)
        self._programs = [self._program(spec) for spec in selected]
        self._console.step(f"starts {', '.join(program.name for program in self._programs)}")
        for program in self._programs:
            program.start()
        for program in self._programs:
            program.wait_ready()
        self._wait_until_all_work()
        self._write()

    def _start_servers(self) -> None:
        names = " and ".join(server.name for server in self._services.started)
        self._console.step(
            f"starts {names or 'no server: it uses those that are set'}; logs: {self.run_dir / 'log'}"
        )
        self._services.start()

    def _wait_until_all_work(self) -> None:
        """Wait until a job of each model would be answered; StartError where a program ends before."""
        names = [program.spec.health for program in self._programs if program.spec.health]
        if not names:
            return
        self._console.step("waits until the workers have loaded their models and consume")
        argv = manage("health", *names, "--wait", f"{WORK_TIMEOUT_S:.0f}")
        asked = Child(Command(name="health", argv=argv, env=self._env, cwd=PROJECT), run_dir=self.run_dir)
        try:
            self._follow(asked)
        finally:
            asked.finish(0)

    def _follow(self, asked: Child) -> None:
        shown = asked.log_path.stat().st_size
        while True:
            ended = asked.ended()
            text = asked.log_path.read_bytes()[shown:].decode(errors="replace")
            whole = text[: text.rfind("\n") + 1]
            shown += len(whole.encode())
            for line in whole.splitlines():
                self._console.step(line)
            if ended:
                break
            for program in self._programs:
                if program.child is not None and program.child.ended():
                    raise StartError(f"{program.name} ended before it did its work: {program.child.tail()}")
            time.sleep(LOOK_S)
        if asked.process.returncode:
            raise StartError(f"not every program did its work within {WORK_TIMEOUT_S:.0f} s: {asked.tail()}")

    def _make_plan(self) -> StackPlan:
        config = Config.from_env({**os.environ, **self.options.env})
        return make_plan(
            run_dir=self.run_dir,
            workers=self.options.workers,
            web_workers=config.web_workers,
            served=self._models,
            login=login(self.run_dir),
        )

    def _program(self, spec: Spec) -> Program:
        env = {**self._env, **self._services.monitor_env} if spec.name == FLOWER else self._env
        return Program(spec, run_dir=self.run_dir, env=env, cwd=PROJECT)

    def _environment(self) -> dict[str, str]:
        return {
            "PAYLOAD_DIR": str(self.run_dir / "payloads"),
            "METRICS_ON_API": "1",
            **os.environ,
            **self._models.env({**os.environ, **self.options.env}),
            **self._services.env,
            **self._services.runtime_env,
            "DJANGO_SETTINGS_MODULE": "inference_site.settings",
            "SECRET_KEY": secret(self.run_dir / "secret-key"),
            **self._payload_keys(),
            "API_URL": self._plan.api_url,
            "STREAM_URL": self._plan.stream_url,
            "FLOWER_URL": self._plan.flower_url,
            "STACK_JSON": str(self.run_dir / FILE),
            "HEALTH_DIR": str(empty_dir(self.run_dir / "health")),
            "PYTHONUNBUFFERED": "1",
            "PROMETHEUS_MULTIPROC_DIR": str(empty_dir(self.run_dir / "metrics")),
            **{name: value for name, value in self.options.env.items() if name not in FOLDERS},
        }

    def _payload_keys(self) -> dict[str, str]:
        # Only for our own database, which is deleted together with the key: lost keys lose data.
        own = self._services.postgres is not None and not os.environ.get("PAYLOAD_KEYS")
        return {"PAYLOAD_KEYS": f"stack:{payload_key(self.run_dir / 'payload-key')}"} if own else {}

    @property
    def _served(self) -> list[Served]:
        return [*self._services.started, *self._programs]

    def _keep(self, command: Sequence[str]) -> int:
        keepers = [Keeper(served, now=time.monotonic()) for served in self._served]
        with self._foreground(command) as process:
            while process is None or process.poll() is None:
                self._look(keepers)
                time.sleep(LOOK_S)
        return process.returncode

    def _look(self, keepers: list[Keeper]) -> None:
        restarted = [keeper.served.name for keeper in keepers if keeper.tend(time.monotonic())]
        if restarted:
            self._write()
            print(f"started again: {', '.join(restarted)}", flush=True)

    @contextmanager
    def _foreground(self, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes] | None]:
        if not command:
            yield None
            return
        words = [*death_words(signal.SIGTERM), *command]
        process = subprocess.Popen(words, env=self._env, cwd=PROJECT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(COMMAND_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _shared_settings(self) -> dict[str, str]:
        names = {row.name for row in setting_rows()} - ONE_PROCESS | {"DJANGO_SETTINGS_MODULE"}
        return {name: value for name, value in self._env.items() if name in names}

    def _info(self) -> dict[str, object]:
        return stack_info(self._plan, self._services.env, self._credentials, self._served)

    def _write(self) -> None:
        write_stack_info(self.run_dir, self._info())

    def _stop(self) -> None:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for file in (FILE, SETTINGS_FILE):
            (self.run_dir / file).unlink(missing_ok=True)
        programs = sorted(self._programs, key=lambda program: program.spec.rank)
        for _, group in itertools.groupby(programs, key=lambda program: program.spec.rank):
            stop_together(group)
        self._services.stop()


@contextmanager
def _stop_signals() -> Iterator[None]:
    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
