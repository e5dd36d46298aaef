"""Real processes for contracts: started in milliseconds, raced from one barrier, killed by SIGKILL."""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from typing import Any

# A fork server starts a process in milliseconds, and none inherits a connection or a lock from the test.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([f"{__package__}.{name}" for name in ("stores", "slots", "databases")])


@contextlib.contextmanager
def running(target: Callable[..., None], *arguments: object) -> Iterator[tuple[BaseProcess, Pipe]]:
    """Run `target(*arguments, pipe)` in another process; what is left of it is killed at the end."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=target, args=(*arguments, there), daemon=True)
    process.start()
    there.close()
    try:
        yield process, here
    finally:
        process.kill()
        process.join()
        here.close()


def kill_now(process: BaseProcess, pipe: Pipe) -> list[Any]:
    """SIGKILL the process and return what it had said and nobody had read."""
    process.kill()
    process.join()
    said = []
    while True:
        try:
            said.append(pipe.recv())
        except ConnectionResetError:  # it died before it heard all of ours; what it said is still to come
            continue
        except EOFError:
            return said


def race(target: Callable[..., None], arguments: list[tuple[object, ...]]) -> None:
    """Run `target(*each, barrier)` in one process for each, all past the barrier at once; all must end well."""
    barrier = PROCESSES.Barrier(len(arguments))
    racers = [PROCESSES.Process(target=target, args=(*each, barrier), daemon=True) for each in arguments]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert [racer.exitcode for racer in racers] == [0] * len(racers)
