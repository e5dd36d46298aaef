"""Where the programs of servers are, and one of them at work: started on free ports, awaited, ended by SIGKILL."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from qcqueue.clock import SystemClock

INSTALLED = Path(os.environ.get("QCQUEUE_SERVERS", Path(__file__).parents[3] / ".servers"))
STARTS_WITHIN_S = 60.0


def program(name: str, *places: str) -> Path | None:
    """Return where a program is: at one of these places below `.servers`, or on the path of this machine."""
    for place in places:
        if (path := INSTALLED / place).exists():
            return path
    found = shutil.which(name)
    return Path(found) if found else None


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now, and far from those that the system gives to connections."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]


@contextlib.contextmanager
def at_work(command: Callable[[Path], list[str]], *, is_ready: Callable[[], bool]) -> Iterator[None]:
    """Let a server work in a folder of its own, which goes with it. command: what to run, given the folder."""
    clock = SystemClock()
    folder = Path(tempfile.mkdtemp(prefix="qcqueue-server-"))
    try:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command(folder), stdout=log, stderr=log, cwd=folder, start_new_session=True, env=_environment()
            )
        try:
            ends_s = clock.monotonic_s() + STARTS_WITHIN_S
            while not is_ready():
                said = (folder / "log").read_text(errors="replace")[-2000:]
                assert process.poll() is None, f"the server has ended: {said}"
                assert clock.monotonic_s() < ends_s, f"the server has not started within {STARTS_WITHIN_S} s: {said}"
                clock.sleep(0.1)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_"))}
