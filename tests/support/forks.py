"""`qcqueue` in processes of their own, each forked from one that has imported everything, which spares it a second.

A forked process is as one that was started: a group, a terminal's absence, a folder, an environment and answers to
signals of its own; only what is imported is imported already, and `sys.executable` may be another. Who proves what
happens while libraries load, or what a changed path makes of an import, starts a real one instead. Always true: a
process that was forked is nobody's child but the server's, which says how it has ended.
"""

import atexit
import functools
import gc
import importlib
import io
import json
import os
import pkgutil
import queue
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import IO, Any, Protocol

from tests.support.faults.children import end

ROOT = Path(__file__).parents[2]
"""Where the tests of a checkout are imported from, as they are not installed."""
_PATH = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(ROOT)])
"""From where qcqueue is imported, whatever path a test gives a process of its own later."""

_MESSAGE_BYTES = 1 << 20
_START_LIMIT_S = 120.0

# By name, as `python -m` does it: nothing here but the start of a process is above the commands.
_PROGRAM = "qcqueue.__main__"
_IMPORTED = ("qcqueue.cli", "qcqueue.app", "qcqueue.reports", "qcqueue.exports", "qcqueue.stores", "qcqueue.drill")
_WARM_UP = ("init --store shared:queue", "status", "show NONE", "why NONE", "store gc --yes", "plan")


class Process(Protocol):
    """As much of `subprocess.Popen` as a test asks of a session."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...


class Forked:
    """A process that was forked. number: which of all, because the system gives a pid again to a later one."""

    def __init__(self, pid: int, number: int, server: "_Server") -> None:
        self.pid = pid
        self._number = number
        self._server = server

    def poll(self) -> int | None:
        return self._server.code(self._number, wait_s=0.0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._server.code(self._number, wait_s=timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code


def fork(
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    said: IO[Any],
    errors: IO[Any] | None = None,
    first: str = "",
) -> Forked:
    """Begin `qcqueue` with these arguments, in a process group of its own.

    said: where its output goes, and its errors where these have no file of their own. first: Python that it runs
    before all.
    """
    asked = {
        "arguments": list(arguments),
        "folder": os.fspath(folder),
        "environment": dict(environment),
        "first": first,
    }
    return _server().fork(asked, said.fileno(), (errors or said).fileno())


def run(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], limit_s: float, first: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run `qcqueue` with these arguments to its end, `first` before all. Raises: TimeoutExpired: it was killed."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        process = fork(arguments, folder=folder, environment=environment, said=out, errors=err, first=first)
        try:
            code = process.wait(limit_s)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(list(arguments), code, out.read(), err.read())


class _Server:
    """The process that forks; it ends with this one. Any thread may ask it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        bare = {name: value for name, value in os.environ.items() if not name.startswith("QCQUEUE_")}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.support.forks", str(theirs.fileno())],
            env=bare | {"PYTHONPATH": _PATH},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        self._asking = threading.Lock()
        self._begun = queue.SimpleQueue[tuple[int, int]]()
        self._ended = threading.Condition()
        self._codes: dict[int, int] = {}
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        atexit.register(self._close)

    def fork(self, asked: Mapping[str, Any], stdout: int, stderr: int) -> Forked:
        with self._asking:
            socket.send_fds(self._socket, [json.dumps(asked).encode()], [stdout, stderr])
            pid, number = self._begun.get(timeout=_START_LIMIT_S)
            return Forked(pid, number, self)

    def code(self, number: int, *, wait_s: float | None) -> int | None:
        """Return how a process has ended, None where it has not within this time; None: however long it takes."""
        with self._ended:
            self._ended.wait_for(lambda: number in self._codes, wait_s)
            return self._codes.get(number)

    def _listen(self) -> None:
        while message := self._socket.recv(_MESSAGE_BYTES):
            match json.loads(message):
                case {"began": number, "pid": pid}:
                    self._begun.put((pid, number))
                case {"ended": number, "code": code}:
                    with self._ended:
                        self._codes[number] = code
                        self._ended.notify_all()

    def _close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._listener.join()
        self._socket.close()
        self._process.wait()


@functools.cache
def _server() -> _Server:
    return _Server()


def serve(asked: socket.socket) -> None:
    """Fork a process for each message, and say of each that it began and how it ended, until nobody can ask."""
    waking, woken = socket.socketpair()
    for end_of_pair in (waking, woken):
        end_of_pair.setblocking(False)
    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    alive, begun = dict[int, int](), 0
    while True:
        ready, _, _ = select.select([asked, waking], [], [])
        if waking in ready:
            with suppress(BlockingIOError):
                waking.recv(_MESSAGE_BYTES)
        if asked in ready:
            message, descriptors, _, _ = socket.recv_fds(asked, _MESSAGE_BYTES, 2)
            if not message:
                return
            if (pid := os.fork()) == 0:
                _become(json.loads(message), descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            begun += 1
            alive[pid] = begun
            asked.send(json.dumps({"began": begun, "pid": pid}).encode())
        with suppress(ChildProcessError):
            while (waited := os.waitpid(-1, os.WNOHANG))[0]:
                code = os.waitstatus_to_exitcode(waited[1])
                asked.send(json.dumps({"ended": alive.pop(waited[0]), "code": code}).encode())


def _become(asked: dict[str, Any], descriptors: Sequence[int]) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for number, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, number)
    os.closerange(3, 1024)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["qcqueue", *asked["arguments"]]
    end(functools.partial(_begin, asked["first"]))


def _begin(first: str) -> int:
    exec(first, {})
    importlib.import_module(_PROGRAM).main()
    return 0


def _import_everything() -> None:
    """Import what any command needs, some of it by letting commands run on a queue of nobody's."""
    main = importlib.import_module("qcqueue.cli.main")
    for package in map(importlib.import_module, _IMPORTED):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, io.StringIO() as said, redirect_stdout(said), redirect_stderr(said):
        os.chdir(folder)
        os.environ["QCQUEUE_CACHE"] = folder
        for arguments in _WARM_UP:
            main.run(arguments.split())
        os.chdir(before)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    # What the interpreter is asked to do by name is another module than the one of this name.
    _import_everything()
    serve(socket.socket(fileno=int(sys.argv[1])))
