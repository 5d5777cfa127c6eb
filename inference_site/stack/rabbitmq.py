"""A private RabbitMQ node on loopback ports, with an Erlang port mapper of its own, both our children."""

import os
import re
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import amqp

from inference_site.stack import debian
from inference_site.stack.leash import Child, Command
from inference_site.stack.ports import LOOPBACK, RememberedPorts
from inference_site.stack.private_files import private_dir, secret, write_private
from inference_site.stack.stack_errors import StackError, StartError
from inference_site.viewer import monitor_login

USER = "inference"
START_TIMEOUT_S = 120.0
STOP_GRACE_S = 20.0
INSTALLED = Path("/usr/lib/rabbitmq/lib")
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin")


@dataclass(frozen=True)
class Installation:
    """The folders of RabbitMQ's scripts and of Erlang; None is the system's Erlang."""

    scripts: Path
    erlang_root: Path | None = None

    @property
    def search_path(self) -> str:
        """Return a PATH with these folders first."""
        erlang = [str(self.erlang_root / "bin")] if self.erlang_root else []
        return os.pathsep.join([str(self.scripts), *erlang, os.environ.get("PATH", os.defpath)])


def find_installation(unpack_root: Path) -> Installation:
    """Return the RabbitMQ on the PATH, else Debian's, unpacked under `unpack_root`; StackError."""
    if (scripts := _installed()) is not None:
        return Installation(scripts)
    if not debian.offered():
        raise StackError("no RabbitMQ: install the package rabbitmq-server, set BROKER_URL, or use compose/")
    lib = debian.unpacked(unpack_root) / "usr/lib"
    if (scripts := _newest(lib / "rabbitmq/lib")) is None:
        raise StackError(f"no RabbitMQ under {lib}: delete {unpack_root}, or set BROKER_URL")
    return Installation(scripts, lib / "erlang")


def _installed() -> Path | None:
    # Debian gives ordinary users a PATH without these two folders, and installs RabbitMQ's wrapper there.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS])
    program = shutil.which("rabbitmq-server", path=path)
    if program is None or shutil.which("erl") is None:
        return None
    return _scripts_of(Path(program).resolve().parent)


def _scripts_of(folder: Path) -> Path | None:
    """Return the folder of scripts that has RabbitMQ's plugins beside it, found from a program's own folder.

    A package's program on the PATH may be a wrapper, which changes the user if root runs it, and in whose
    folder other scripts lie too. The plugins lie in one place only: beside the scripts that use them.
    """
    beside = folder.parent / "plugins"
    return folder if beside.is_dir() else _newest(folder.parent / "lib") or _newest(INSTALLED)


def _newest(lib: Path) -> Path | None:
    found = [plugins.with_name("sbin") for plugins in lib.glob("rabbitmq_server-*/plugins")]
    return max(found, key=_version, default=None)


def _version(scripts: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", scripts.parent.name)]


@dataclass(frozen=True)
class Ports:
    """The four loopback ports of one node."""

    amqp: int
    management: int
    distribution: int
    mapper: int


PORTS = ("rabbitmq", "rabbitmq-management", "rabbitmq-distribution", "rabbitmq-mapper")


class RabbitMQ:
    """A RabbitMQ node in a run directory; its ports and password survive restarts."""

    name = "rabbitmq"
    node = "inference"

    def __init__(self, run_dir: Path, *, unpack_root: Path, durable: bool = True) -> None:
        """Prepare to serve from `run_dir`; unpack to `unpack_root` if RabbitMQ is not installed."""
        self._stop_signal = signal.SIGTERM if durable else signal.SIGKILL
        self.run_dir = private_dir(run_dir)
        self.ports: Ports | None = None
        self._remembered = RememberedPorts(self.run_dir)
        self.child: Child | None = None
        self._mapper: Child | None = None
        self._unpack_root = unpack_root
        self._home = private_dir(self.run_dir / "rabbitmq")
        self._password = secret(self._home / "password")
        self._monitor_password = secret(self._home / "monitor-password")

    @property
    def url(self) -> str:
        """Return the broker's URL."""
        return f"amqp://{USER}:{self._password}@{LOOPBACK}:{self._chosen_ports().amqp}//"

    @property
    def node_log(self) -> Path:
        """Return the file that the node logs to."""
        return self.run_dir / "log" / "rabbitmq-node.log"

    @property
    def management_url(self) -> str:
        """Return the management API's URL, with its login."""
        return f"http://{USER}:{self._password}@{LOOPBACK}:{self._chosen_ports().management}"

    @property
    def monitor_env(self) -> dict[str, str]:
        """Return the variables of a process that only reads: events, and the sizes of queues."""
        ports = self._chosen_ports()
        return {
            "BROKER_URL": f"amqp://{monitor_login.USER}:{self._monitor_password}@{LOOPBACK}:{ports.amqp}//",
            "RABBITMQ_MANAGEMENT_URL": f"http://{LOOPBACK}:{ports.management}",
        }

    def start(self) -> None:
        """Start the port mapper and the node without waiting for them."""
        installation = find_installation(self._unpack_root)
        self.ports = self.ports or Ports(*self._remembered.take(*PORTS))
        self._write_files()
        env = self._environment(installation)
        self._start_mapper(env)
        argv = [str(installation.scripts / "rabbitmq-server")]
        self.child = Child(Command(name=self.name, argv=argv, env=env), run_dir=self.run_dir)

    def wait_ready(self) -> None:
        """Return once a client can log in, also the one that only reads."""
        if self.child is None:
            raise StartError("rabbitmq is not started")
        self.child.wait_until(self._answers, timeout_s=START_TIMEOUT_S)
        self.child.wait_until(self._has_monitor, timeout_s=START_TIMEOUT_S)

    def ask_to_stop(self) -> None:
        """Ask the node to stop; kill it if its data need not last."""
        if self.child is not None:
            self.child.send(self._stop_signal)

    def finish(self) -> None:
        """Return once the node and its port mapper have ended."""
        if self.child is not None:
            self.child.finish(STOP_GRACE_S)
            self.child = None
        if self._mapper is not None:
            self._mapper.finish(0)
            self._mapper = None

    def forget_ports(self) -> None:
        """Make the next start choose other ports."""
        self.ports = None
        self._remembered.forget(*PORTS)

    def _chosen_ports(self) -> Ports:
        if self.ports is None:
            raise StartError("rabbitmq is not started")
        return self.ports

    def _start_mapper(self, env: dict[str, str]) -> None:
        if self._mapper is not None and not self._mapper.ended():
            return
        argv = ["epmd", "-address", LOOPBACK, "-port", env["ERL_EPMD_PORT"]]
        self._mapper = Child(Command(name="epmd", argv=argv, env=env), run_dir=self.run_dir)

    def _answers(self) -> bool:
        where = f"{LOOPBACK}:{self._chosen_ports().amqp}"
        login = {"userid": USER, "password": self._password}
        try:
            with amqp.Connection(where, **login, connect_timeout=2, read_timeout=5):
                return True
        except (OSError, amqp.AMQPError):
            return False

    def _has_monitor(self) -> bool:
        try:
            return monitor_login.add_monitor(self.management_url, self._monitor_password)
        except monitor_login.LoginRefusedError as error:
            raise StartError(str(error)) from error

    def settings(self) -> dict[str, str]:
        """Return what rabbitmq.conf says."""
        ports = self._chosen_ports()
        return {
            "listeners.tcp.1": f"{LOOPBACK}:{ports.amqp}",
            "management.tcp.ip": LOOPBACK,
            "management.tcp.port": str(ports.management),
            "default_user": USER,
            "default_pass": self._password,
            "collect_statistics_interval": "10000",
            "vm_memory_high_watermark.relative": "0.4",
            "disk_free_limit.absolute": "50MB",
            "log.file.level": "info",
        }

    def _write_files(self) -> None:
        lines = "".join(f"{key} = {value}\n" for key, value in self.settings().items())
        write_private(self._home / "rabbitmq.conf", lines)
        write_private(self._home / "enabled_plugins", "[rabbitmq_management].\n")
        secret(self._home / ".erlang.cookie")
        (self._home / ".erlang.cookie").chmod(0o400)

    def _environment(self, installation: Installation) -> dict[str, str]:
        ports, home = self._chosen_ports(), str(self._home)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "ERL_"))}
        root = {"ERL_ROOTDIR": str(installation.erlang_root)} if installation.erlang_root else {}
        return {
            **inherited,
            **root,
            "HOME": home,
            "PATH": installation.search_path,
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(ports.mapper),
            "ERL_CRASH_DUMP_BYTES": "0",
            "RABBITMQ_HOME": str(installation.scripts.parent),
            "RABBITMQ_PLUGINS_DIR": str(installation.scripts.parent / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": f"{home}/rabbitmq.conf",
            # Without these an installed RabbitMQ's own files in /etc are read as well.
            "RABBITMQ_CONFIG_FILES": f"{home}/conf.d",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{home}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{home}/enabled_plugins",
            "RABBITMQ_NODENAME": f"{self.node}@localhost",
            "RABBITMQ_DIST_PORT": str(ports.distribution),
            "RABBITMQ_MNESIA_BASE": f"{home}/mnesia",
            "RABBITMQ_LOG_BASE": str(self.run_dir / "log"),
            "RABBITMQ_LOGS": str(self.node_log),
            "RABBITMQ_PID_FILE": f"{home}/pid",
            # With this the start script replaces itself by Erlang, so that no shell stands between us and the
            # process that must end with us.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_START_ARGS": "-noinput -start_epmd false",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ("-kernel inet_dist_use_interface {127,0,0,1}"),
        }
