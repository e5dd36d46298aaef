"""A lab: machines that share a disk and a queue on a server, and sessions that are killed on them.

Every machine has a folder, a cache and settings of its own; sessions are real processes with real trainers. The
password is in their environment and in no file.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qcqueue.app.context import QueueContext, open_context
from qcqueue.app.datasets import keep
from qcqueue.app.settings import load_settings
from qcqueue.clock import Rng, SystemClock
from qcqueue.datasets.format import Split
from qcqueue.queue.job_lines import JobLine, job_lines
from tests.cli.queues import House
from tests.end_to_end.machines import LIMIT_S, command, environment_of, working
from tests.engines.worlds import a_dataset
from tests.support.servers.postgres import PASSWORD, Server

ENDS_WITHIN_S = 3600.0
"""A session of twenty jobs among sixteen such, on however many processors there are."""

# How a session may end that has not failed: finished, nothing to do now, saved at a limit.
ENDS = (0, 7, 8, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """url: of the database, without the password. store: of its files."""

    folder: Path
    url: str
    store: str

    def machine(self, name: str) -> House:
        """Return a machine, which is made when it is first asked for."""
        house = House(folder=self.folder / name)
        if not house.folder.exists():
            settings = {"store": self.store, "database": self.url, "cache": str(house.cache)}
            house.write("qcqueue.toml", "".join(f'{key} = "{value}"\n' for key, value in settings.items()))
        return house

    @property
    def queue(self) -> QueueContext:
        """The queue, as this process sees it. The password must be in its environment."""
        return open_context(load_settings(folder=self.machine("onlooker").folder))

    def enqueue(self, study: str, *, owner: str | None = None) -> None:
        laptop = self.machine("laptop")
        laptop.write("study.toml", study)
        whose = {"QCQUEUE_OWNER": owner} if owner else dict[str, str]()
        enqueued = command(laptop, "enqueue", "study.toml", environment={**environment_in(laptop), **whose})
        assert enqueued.returncode == 0, enqueued.stderr

    def lines(self) -> list[JobLine]:
        with self.queue.read() as tx:
            return job_lines(tx)


def environment_in(house: House, *, trainer: str = "") -> Mapping[str, str]:
    return {**environment_of(house), "PGPASSWORD": PASSWORD, "TOY_ENGINE": trainer}


def a_lab(folder: Path, server: Server, study: str = "", *, store: str = "") -> Lab:
    """Make the queue of a lab, with the images and the jobs of a study in it. store: a shared disk unless given."""
    url = server.url(server.new_database(), password=None)
    lab = Lab(folder=folder, url=url, store=store or f"shared:{folder / 'disk'}")
    laptop = lab.machine("laptop")
    made = command(laptop, "init", environment=environment_in(laptop))
    assert made.returncode == 0, made.stderr
    counts = {Split.TRAIN: 40, Split.VALIDATION: 9, Split.TEST: 9}
    keep(lab.queue, "noise", a_dataset(counts=counts), dry_run=False)
    if study:
        lab.enqueue(study)
    return lab


@dataclass(slots=True)
class Campaign:
    """Sessions on many machines, one after the other on each, until all jobs are done; some are killed meanwhile.

    ends: how those ended that were not killed.
    """

    lab: Lab
    machines: int
    kills: int
    rng: Rng
    killed: int = 0
    ends: list[int] = field(default_factory=list)
    _clock: SystemClock = field(default_factory=SystemClock)
    _at_work: dict[int, int] = field(default_factory=dict)  # the process group on each machine
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def run(self, *, within_s: float, trainer: str) -> None:
        """Raises: AssertionError: the jobs were not done in time."""
        threads = [threading.Thread(target=self._keep_at_work, args=(at, trainer)) for at in range(self.machines)]
        for thread in threads:
            thread.start()
        end_s = self._clock.monotonic_s() + within_s
        try:
            while any(line.state != "done" for line in self.lab.lines()):
                assert self._clock.monotonic_s() < end_s, "the jobs were not done in time"
                self._clock.sleep(self.rng.uniform(0.2, 1.5))
                self._kill_one()
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join(LIMIT_S)

    def _keep_at_work(self, at: int, trainer: str) -> None:
        house = self.lab.machine(f"machine-{at}")
        while not self._is_over.is_set():
            environment = environment_in(house, trainer=trainer)
            with working(house, "--jobs", "20", name="work", environment=environment) as session:
                with self._lock:
                    self._at_work[at] = session.process.pid
                code = session.process.wait(ENDS_WITHIN_S)
            with self._lock:
                was_killed = self._at_work.pop(at, None) is None
            if not was_killed:
                self.ends.append(code)
                self._is_over.wait(1.0)  # nothing is left for it, or all is at work elsewhere

    def _kill_one(self) -> None:
        with self._lock:
            if self.killed == self.kills or not self._at_work:
                return
            process = self._at_work.pop(self.rng.choice(sorted(self._at_work)))
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                os.killpg(process, signal.SIGKILL)
                self.killed += 1
