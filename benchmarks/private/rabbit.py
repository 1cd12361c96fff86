"""A RabbitMQ node of one's own: on loopback, with its own data, name, cookie and port mapper, gone afterwards."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

DEBIAN = Path("/usr/lib/rabbitmq/lib")
BOOT_SECONDS = 120.0  # a node boots in five seconds; on a busy machine of two cores it can take ten times that
STOP_SECONDS = 30.0
HEADER = b"AMQP\x00\x00\x09\x01"
# Erlang's schedulers spin while they wait, which would cost whatever is measured beside them a core.
QUIET = "+sbwt none +sbwtdcpu none +sbwtdio none"


class RabbitMissingError(Exception):
    """No RabbitMQ server on this machine."""


def installed() -> bool:
    """Whether a node can be started here."""
    try:
        return bool(_programs()) and shutil.which("epmd") is not None
    except RabbitMissingError:
        return False


class PrivateRabbit:
    """One node. A context manager: started on entering, everything ended and removed on leaving.

    ``conf``: further lines of rabbitmq.conf, e.g. ``consumer_timeout = 60000``.
    """

    def __init__(self, *, conf: Sequence[str] = (), folder: Path | None = None) -> None:
        self._programs = _programs()
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="rabbit-"))
        self.port, self._mapper_port, self._node_port = _free_ports(3)
        self.node = f"rabbit-{self.port}@localhost"
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._mapper: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._write(conf)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def start(self) -> None:
        """Boot, on the same port and data as before; returns when AMQP is answered."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Begin to boot; see :meth:`wait`."""
        if self._mapper is None:
            self._mapper = self._spawn("epmd", "-port", str(self._mapper_port), "-address", "127.0.0.1")
            _wait_for_port(self._mapper_port)
        self._server = self._spawn(str(self._programs / "rabbitmq-server"))

    def wait(self, seconds: float = BOOT_SECONDS) -> None:
        """Return when AMQP is answered."""
        assert self._server is not None, "launched before"
        deadline = time.monotonic() + seconds
        while not self.answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The node did not start. Its log ends with:\n{self.log[-3000:]}")
            time.sleep(0.1)

    def answers(self, seconds: float = 1.0) -> bool:
        """Whether a client that connects is greeted."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as client:
                client.sendall(HEADER)
                return client.recv(1) == b"\x01"  # a method frame: Connection.Start
        except OSError:
            return False

    def kill(self) -> None:
        """``kill -9``: what was not on disk is lost."""
        self._signal(signal.SIGKILL)
        self._reap(STOP_SECONDS)

    def stop(self) -> None:
        """Ask it to end in order."""
        self._signal(signal.SIGTERM)
        if not self._reap(STOP_SECONDS):
            self.kill()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)
        deadline = time.monotonic() + STOP_SECONDS
        while not all(state == "T" for state in self._thread_states()) and time.monotonic() < deadline:
            time.sleep(0.005)

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._signal(signal.SIGCONT)

    def wipe(self) -> None:
        """Remove everything that it stored. Only while it is not running."""
        assert self._server is None, "stopped or killed before"
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def restart(self, *, wipe: bool = False) -> None:
        """Kill it, perhaps remove its data, and boot again on the same port."""
        self.kill()
        if wipe:
            self.wipe()
        self.start()

    def ctl(self, *arguments: str, seconds: float = 60.0) -> str:
        """What ``rabbitmqctl`` says. Raises ``RuntimeError`` with what it complains of."""
        command = [str(self._programs / "rabbitmqctl"), "--quiet", "--node", self.node, *arguments]
        done = subprocess.run(
            command, env=self._environment(), cwd=self.folder, check=False, capture_output=True, timeout=seconds
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {(done.stderr or done.stdout).decode()}")
        return done.stdout.decode()

    def flush(self) -> None:
        """Write what the node keeps in memory for a second.

        A node of 3.10 that is killed within that time after a queue was made forgets how the queue is to be started:
        it comes back without a leader for ever. Call this between making a queue and :meth:`kill`.
        """
        self.ctl("eval", "[dets:sync(Table) || Table <- dets:all()].")

    @property
    def pid(self) -> int | None:
        """Of the server's process group, while it runs."""
        return self._server.pid if self._server else None

    @property
    def log(self) -> str:
        """What node and port mapper have printed."""
        return (self.folder / "log").read_text(errors="replace")

    def remove(self) -> None:
        """End everything; a temporary folder goes as well."""
        if self._server is not None:
            self.kill()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait()
            self._mapper = None
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- processes

    def _spawn(self, *command: str) -> "subprocess.Popen[bytes]":
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the script, the virtual machine and its helpers are one process group
            )

    def _signal(self, number: signal.Signals) -> None:
        assert self._server is not None, "started before"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._server.pid, number)

    def _thread_states(self) -> Iterator[str]:
        """``T`` is stopped. A busy process goes on for a moment after the signal. Empty where there is no ``/proc``."""
        assert self._server is not None, "started before"
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ProcessLookupError):
                if os.getpgid(int(process.name)) == self._server.pid:
                    for thread in process.glob("task/*/stat"):
                        yield thread.read_text().rpartition(")")[2].split()[0]

    def _reap(self, seconds: float) -> bool:
        """Forget a server that has ended, all of its process group."""
        assert self._server is not None, "started before"
        deadline = time.monotonic() + seconds
        while self._server.poll() is None or _alive(self._server.pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        self._server = None
        return True

    # --- settings

    def _write(self, conf: Sequence[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [
            f"listeners.tcp.local = 127.0.0.1:{self.port}",
            "disk_free_limit.absolute = 1MB",
            "log.console = true",
            "log.console.level = info",
            "log.file = false",
            *conf,
        ]
        (self.folder / "rabbitmq.conf").write_text("".join(f"{line}\n" for line in lines))
        (self.folder / "empty.conf").touch()
        (self.folder / "plugins").write_text("[].\n")

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(folder),  # where the cookie is made
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{127,0,0,1}} {QUIET}",
            "RABBITMQ_CTL_ERL_ARGS": QUIET,
            "RABBITMQ_CONF_ENV_FILE": str(folder / "empty.conf"),  # not the machine's
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }


@contextlib.contextmanager
def running_rabbit(*, conf: Sequence[str] = ()) -> Iterator[PrivateRabbit]:
    """A started node for the length of the block."""
    with PrivateRabbit(conf=conf) as node:
        yield node


def _programs() -> Path:
    """The folder of the server's own scripts: Debian's wrappers insist on its user and its directories."""
    found = sorted(DEBIAN.glob("rabbitmq_server-*/sbin"))
    if found:
        return found[-1]
    server = shutil.which("rabbitmq-server")
    if server is None:
        raise RabbitMissingError("There is no RabbitMQ server here. On Debian: apt install rabbitmq-server")
    return Path(server).resolve().parent


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [int(listener.getsockname()[1]) for listener in listeners]


def _wait_for_port(port: int, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
