"""Slurm, as far as a session needs it: when the time of its job is over.

The program `scontrol` is asked, because the variables that Slurm sets do not say it in every version. Always true: what
it says is believed only where it can be so, and nothing is asked that would change a job.
"""

import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from qcqueue.providers.base import Provider
from qcqueue.providers.programs import answer_of
from qcqueue.stores.registry import without_secrets

JOB = re.compile(r"[0-9]{1,12}", re.ASCII)
END = re.compile(rb"\bEndTime=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\b")


class Slurm(Provider):
    """Implements `base.Provider`. A job ends with its script, so no machine need be given back."""

    gpu_help = "ask Slurm for one: qcqueue launch slurm does, and so does sbatch --gres=gpu:1"

    def deadline_s(self, environ: Mapping[str, str]) -> float | None:
        """As promised. A program that is missing, fails or takes too long says nothing; neither does a job without a
        limit."""
        job, program = environ.get("SLURM_JOB_ID", ""), shutil.which("scontrol", path=environ.get("PATH", ""))
        said = None
        with suppress(OSError):
            if program and JOB.fullmatch(job):
                # In the time of every place, as an hour of a local one can come twice.
                said = answer_of([program, "show", "job", job], {**without_secrets(environ), "TZ": "UTC"})
        return None if said is None else end_in(said)


def end_in(said: bytes) -> float | None:
    """Return when a job ends, in seconds since the epoch, as `scontrol show job` says it in UTC; None where it does
    not."""
    found = END.search(said)
    with suppress(ValueError, OverflowError):
        if found:
            return datetime.fromisoformat(found[1].decode()).replace(tzinfo=UTC).timestamp()
    return None


PROVIDER = Slurm()
