"""A PostgreSQL of Debian on loopback: a cluster in a folder that goes with the tests, and a database for each test.

`initdb` and `postgres` refuse to run as root, so root starts them as the user postgres that the package makes. The
server asks for passwords: nothing here is tried in a way that a lab's server would not let anybody in. The processes of
races reach the same server, because its address stands in the environment. It ends with the process that started it.
"""

import atexit
import getpass
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qcqueue.clock import SystemClock
from tests.support.drive.accounts import CANARY

PROGRAMS = Path("/usr/lib/postgresql")
ADDRESS = "QCQUEUE_TEST_POSTGRES"
OWNER = "owner"
PASSWORD = f"{CANARY}-of-the-owner"  # which no file that the tests write may hold
WITHIN_S = 30.0

_names = itertools.count(1)


def programs() -> Path | None:
    """Return the folder of the newest server that is installed here, None where there is none."""
    found = [path for path in PROGRAMS.glob("*/bin") if (path / "initdb").exists()]
    return max(found, key=lambda path: int(path.parent.name), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that runs. superuser: the role that may do everything; it and `OWNER` have the same password."""

    port: int
    superuser: str
    folder: Path

    def url(self, database: str, *, user: str = OWNER, password: str | None = PASSWORD) -> str:
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def sql(self, *statements: str, database: str = "postgres") -> list[str]:
        """Carry out statements as the superuser, outside of transactions; return the lines that come back."""
        folder = programs()
        assert folder, "a server that runs is installed"
        orders = [word for statement in statements for word in ("-c", statement)]
        said = subprocess.run(
            [folder / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.url(database, user=self.superuser), *orders],
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 0, said.stderr
        return said.stdout.splitlines()

    def new_database(self, *, like: str = "template0", encoding: str = "UTF8") -> str:
        """Make a database that belongs to `OWNER` and holds what another does, or nothing; return its name."""
        name = f"lab_{os.getpid()}_{next(_names)}"
        self.sql(f"CREATE DATABASE {name} OWNER {OWNER} ENCODING '{encoding}' LOCALE 'C' TEMPLATE {like}")
        return name

    def cut_connections(self, database: str) -> None:
        """End every connection to a database, as an administrator can."""
        self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")


def server() -> Server:
    """Return the server of this test session; whoever asks first starts it. Raises: LookupError: none is installed."""
    if known := os.environ.get(ADDRESS):
        port, superuser, folder = known.split(" ", 2)
        return Server(port=int(port), superuser=superuser, folder=Path(folder))
    started = _started(programs())
    os.environ[ADDRESS] = f"{started.port} {started.superuser} {started.folder}"
    return started


@contextmanager
def stopped(running: Server) -> Iterator[None]:
    """Let a server be away for a while, as after a power cut."""
    _processes.pop().terminate_at_once()
    try:
        yield
    finally:
        _serve(running)


def _started(folder: Path | None) -> Server:
    if folder is None:
        raise LookupError("PostgreSQL is not installed: apt-get install postgresql")
    home = Path(tempfile.mkdtemp(prefix="qcqueue-postgres-"))
    superuser = "postgres" if os.geteuid() == 0 else getpass.getuser()
    secret, data = home / "secret", home / "data"
    secret.write_text(PASSWORD)
    if os.geteuid() == 0:
        for path in (home, secret):
            shutil.chown(path, superuser)
    made = Server(port=_free_port(), superuser=superuser, folder=home)
    how = ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--no-sync"]
    _run([folder / "initdb", "-D", data, *how])
    with (data / "postgresql.conf").open("a") as file:
        # Nothing here outlives the tests, so no commit waits for a disk; races want more than a hundred connections.
        file.write(
            f"port = {made.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{home}'\n"
            "fsync = off\nmax_connections = 300\nmax_prepared_transactions = 10\n"
        )
    atexit.register(_end, made, os.getpid())
    _serve(made)
    made.sql(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'")
    return made


class _Process:
    """The server as a child, which the system ends with this process, however that ends."""

    def __init__(self, running: Server) -> None:
        folder = programs()
        assert folder, "a server that is started is installed"
        words = _accepted([folder / "postgres", "-D", running.folder / "data"], "--pdeathsig=QUIT")
        with (running.folder / "log").open("a") as log:
            self._child = subprocess.Popen(words, stdout=log, stderr=log, env=_plain(os.environ), cwd="/")
        self._is_ready: list[str | Path] = [folder / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(running.port)]

    def wait_until_ready(self) -> None:
        clock = SystemClock()
        end_s = clock.monotonic_s() + WITHIN_S
        while subprocess.run(self._is_ready, check=False).returncode != 0:
            assert self._child.poll() is None, "the server ended while it started"
            assert clock.monotonic_s() < end_s, f"the server did not start within {WITHIN_S} s"
            clock.sleep(0.05)

    def terminate_at_once(self) -> None:
        """End it as a power cut would."""
        self._child.send_signal(signal.SIGQUIT)
        self._child.wait(WITHIN_S)


_processes: list[_Process] = []


def _serve(running: Server) -> None:
    process = _Process(running)
    process.wait_until_ready()
    _processes.append(process)


def _end(running: Server, process: int) -> None:
    if os.getpid() == process:  # not in the children, which have inherited it
        for each in _processes:
            each.terminate_at_once()
        shutil.rmtree(running.folder, ignore_errors=True)


def _run(words: Sequence[str | Path]) -> None:
    """Run a program of the server to its end."""
    done = subprocess.run(
        _accepted(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_plain(os.environ), cwd="/"
    )
    assert done.returncode == 0, done.stdout


def _accepted(words: Sequence[str | Path], *how: str) -> list[str | Path]:
    """Return how to run a program of the server as somebody it accepts."""
    who = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *who, *how, *words] if who or how else [*words]


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("PG")}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
