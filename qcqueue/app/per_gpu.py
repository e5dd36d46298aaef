"""`work --per-gpu`: one session for each GPU of this machine, each a process of its own.

It starts them, hands on what they say, and the signals that come for them; what a session does is its process's. Always
true: each has one GPU and a cache to itself, so to the queue it is a machine; and none goes on for long once this
process is gone, for the system then asks it to save and leave.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import FrameType
from typing import IO

from qcqueue.app.settings import Settings
from qcqueue.app.work import answering
from qcqueue.core.signals import FOR_THE_SESSION
from qcqueue.database.address import PASSWORD
from qcqueue.errors import INTERRUPTED, RESUMABLE, MachineError
from qcqueue.stores.files import on_this_machine
from qcqueue.worker.machine import VISIBLE

SHOW_EVERY_S = 1.0

# 1 is PR_SET_PDEATHSIG, which has no name in Python.
PROGRAM = """
import ctypes, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
from qcqueue.__main__ import main
main()
"""

Hear = Callable[[str, str, bool], None]
"""Told a line of a session: the GPU it has, what it says, and whether that is its answer or only narrated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSession:
    """How the session on a GPU ended, as its process did. why: what ended it, where a signal did."""

    gpu: str
    exit_code: int
    why: str | None


def work_per_gpu(
    gpus: Sequence[str],
    flags: Sequence[str],
    settings: Settings,
    *,
    hear: Hear,
    show: Callable[[], None] = lambda: None,
) -> list[GpuSession]:
    """Run `qcqueue work` with these flags on each GPU until all have ended. show: called at least once a second.

    Raises: MachineError: they cannot all be started. What else this raises has asked all of them to save and leave.
    """
    processes, asked = list[subprocess.Popen[str]](), list[int]()

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        for process in processes:
            process.send_signal(number)

    heard: SimpleQueue[tuple[str, str, bool] | None] = SimpleQueue()

    def read(stream: IO[str], gpu: str, is_answer: bool) -> None:
        with stream:
            for line in stream:
                heard.put((gpu, line.rstrip("\n"), is_answer))
        heard.put(None)

    def start(gpu: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "work", *flags],
            env=environment_of(gpu, settings, os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,  # a signal to our whole group reaches it once: through us
        )
        processes.append(process)
        for number in asked[:1]:  # it came before this one was there
            process.send_signal(number)
        for stream, is_answer in ((process.stdout, True), (process.stderr, False)):
            assert stream, "it was started with pipes"
            threading.Thread(target=read, args=(stream, gpu, is_answer), daemon=True).start()

    with answering(pass_on, FOR_THE_SESSION):
        try:
            with on_this_machine(settings.cache):
                for gpu in gpus:
                    start(gpu)
            open_streams = 2 * len(processes)
            while open_streams:  # here and in no thread: a notebook shows below its cell what the cell's own says
                with suppress(Empty):
                    if line := heard.get(timeout=SHOW_EVERY_S):
                        hear(*line)
                    else:
                        open_streams -= 1
                show()
        except BaseException:
            pass_on(signal.SIGTERM, None)
            raise
        codes = [process.wait() for process in processes]
    return [
        GpuSession(gpu=gpu, exit_code=exit_code_of(code), why=_why(code)) for gpu, code in zip(gpus, codes, strict=True)
    ]


def environment_of(gpu: str, settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the session on a GPU finds: a sign-in is in its memory alone, as it is in ours."""
    cache = settings.cache.absolute() / f"gpu-{re.sub('[^0-9A-Za-z-]', '-', gpu)}"
    own = {VISIBLE: gpu, "QCQUEUE_CACHE": os.fspath(cache), "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    if VISIBLE not in environ:  # what we have counted is in this order; a person's own numbers are in theirs
        own["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    if settings.token:
        own["QCQUEUE_TOKEN"] = settings.token
    if settings.database and settings.database.password is not None:
        own[PASSWORD] = settings.database.password
    return {**environ, **own}


def _why(code: int) -> str | None:
    if code >= 0:
        return None
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"its session was killed by {name}"


def exit_code_of(code: int) -> int:
    """Return the code of the contract for what a process ended with: minus a signal's number where one ended it."""
    if code >= 0:
        return code
    if -code == signal.SIGINT:
        return INTERRUPTED
    return RESUMABLE if -code in FOR_THE_SESSION else MachineError.exit_code
