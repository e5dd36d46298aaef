"""A Slurm of this machine alone: its real daemons, started for a test and ended with it."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from qcqueue.clock import SystemClock
from tests.end_to_end.machines import wait_until

DAEMONS = ("munged", "slurmctld", "slurmd")

CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:8
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """environment: what its commands need, beside that of the test."""

    environment: Mapping[str, str]

    def said(self, *command: str, environment: Mapping[str, str] = {}) -> str:
        """Return what one of its commands prints. environment: which jobs are given, beside that of the test."""
        known = {**os.environ, **self.environment, **environment}
        done = subprocess.run(command, env=known, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def hurry(self) -> None:
        """Start what was put back at once: by itself that waits two minutes, until what it was let in with expires."""
        for task in self.said("squeue", "--noheader", "--array", "--states=PENDING", "--format", "%i").split():
            with contextlib.suppress(AssertionError):  # it has started meanwhile
                self.said("scontrol", "update", f"JobId={task}", "StartTime=now")

    def states(self) -> list[str]:
        """Return the state of each task that is not over."""
        return self.said("squeue", "--noheader", "--array", "--format", "%T").split()


def lacks() -> list[str]:
    """Return what of Slurm is not installed here."""
    return [name for name in DAEMONS if not shutil.which(name)]


@contextlib.contextmanager
def a_cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, contextlib.ExitStack() as stack:
        folder, host = Path(name), socket.gethostname().partition(".")[0]
        (folder / "munge.key").write_bytes(os.urandom(1024))
        (folder / "munge.key").chmod(0o600)
        user = pwd.getpwuid(os.getuid()).pw_name
        configuration = CONFIGURATION.format(
            folder=folder, host=host, user=user, ports=free_ports(2), cores=os.cpu_count()
        )
        (folder / "slurm.conf").write_text(configuration)
        for each in ("state", "spool"):
            (folder / each).mkdir()
        cluster = Cluster({"SLURM_CONF": str(folder / "slurm.conf")})
        files = {"key": "key", "socket": "sock", "pid": "pid", "log": "log", "seed": "seed"}
        munge = [f"--{it}{'' if it == 'socket' else '-file'}={folder}/munge.{end}" for it, end in files.items()]
        for daemon in (["munged", "--force", "--foreground", *munge], ["slurmctld", "-D"], ["slurmd", "-D"]):
            stack.enter_context(_running(daemon, cluster, folder / f"{daemon[0]}.said"))
            if daemon[0] == "munged":
                wait_until((folder / "munge.sock").exists, limit_s=20)
            if daemon[0] == "slurmctld":
                wait_until(lambda: _answers(cluster), limit_s=30)
        wait_until(lambda: "idle" in cluster.said("sinfo", "--noheader", "--format", "%T"), limit_s=60)
        yield cluster
        with contextlib.suppress(AssertionError):
            cluster.said("scancel", "--user", user)
            SystemClock().sleep(1.0)


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens at now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _answers(cluster: Cluster) -> bool:
    with contextlib.suppress(AssertionError):
        return bool(cluster.said("sinfo", "--noheader"))
    return False


@contextlib.contextmanager
def _running(command: list[str], cluster: Cluster, said: Path) -> Iterator[None]:
    with said.open("wb") as file:
        process = subprocess.Popen(
            command, env={**os.environ, **cluster.environment}, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()
