"""Trainer processes that are forked instead of started, which spares each of them the import of all it needs.

Whoever asks gets a child of their own, in their group and under their preload, that begins as one that was started: no
threads, no files, no answers to signals. Always true: it ends when whoever asked has ended.
"""

import atexit
import ctypes
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_MESSAGE_BYTES = 1 << 20
_FIRST_OF_THE_PRELOAD = 900


class Children:
    """Forks processes that run `main`, for this process; as much of `subprocess` as a session uses.

    Made while this process has neither threads nor files.
    """

    PIPE, STDOUT = subprocess.PIPE, subprocess.STDOUT

    def __init__(self, main: Callable[[], int]) -> None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self._asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asker = os.getpid()
        if os.fork() == 0:
            self._asking.close()
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            _fork_when_asked(asked, asker, main)
        asked.close()

    def Popen(
        self, command: Sequence[str], *, env: Mapping[str, str], stdin: int, stdout: IO[bytes], stderr: int
    ) -> "Child":
        """Fork one, which is told nothing by its arguments."""
        assert (stdin, stderr) == (subprocess.PIPE, subprocess.STDOUT), "as a session starts a trainer"
        reading, writing = os.pipe()
        socket.send_fds(self._asking, [json.dumps(dict(env)).encode()], [reading, stdout.fileno()])
        os.close(reading)
        pid = int(self._asking.recv(_MESSAGE_BYTES))
        self._asking.recv(_MESSAGE_BYTES)
        return Child(pid, os.fdopen(writing, "wb"))


class Child:
    """A process that was forked, with as much of `subprocess.Popen` as a session uses."""

    def __init__(self, pid: int, stdin: IO[bytes]) -> None:
        self.pid = pid
        self.stdin = stdin
        self._code: int | None = None

    def poll(self) -> int | None:
        return self._wait(os.WNOHANG)

    def wait(self) -> int | None:
        return self._wait(0)

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _wait(self, options: int) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, options)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


def _fork_when_asked(asked: socket.socket, asker: int, main: Callable[[], int]) -> None:
    """Fork a child of the asker's for each message, until it closes its end; say its number, and that it is theirs."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(asked, _MESSAGE_BYTES, 2)
        if not message:
            os._exit(0)
        if (between := os.fork()) == 0:
            between = os.getpid()
            if pid := os.fork():
                asked.send(str(pid).encode())
                os._exit(0)
            while os.getppid() == between:  # once that has ended, it is the asker's
                os.sched_yield()
            if os.getppid() != asker:  # which has been killed meanwhile
                os._exit(1)
            _begin(descriptors, json.loads(message), main)
        for descriptor in descriptors:
            os.closerange(descriptor, descriptor + 1)  # which is no call that the preload counts
        os.waitpid(between, 0)
        asked.send(b"yours")


def _begin(descriptors: Sequence[int], environment: dict[str, Any], main: Callable[[], int]) -> None:
    for number, descriptor in enumerate((descriptors[0], descriptors[1], descriptors[1])):
        os.dup2(descriptor, number)
    os.closerange(3, _FIRST_OF_THE_PRELOAD)
    os.environ.clear()
    os.environ.update(environment)
    end(main)


def end(main: Callable[[], int]) -> None:
    """Run `main` and end this process as Python does, but without taking apart what was imported before the fork."""
    code = 1
    try:
        code = main()
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value)
