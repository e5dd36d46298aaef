"""Slurm: an array of sessions, each put back into Slurm's queue when it has left to go on later.

Always true: a task is put back where its session ended with 20 while Slurm let it run, and only then; so who cancels an
array is rid of it. Slurm sends its notice to the script alone, which asks the session, and up to a minute early.
"""

import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import PurePath

from qcqueue.errors import NOTHING_TO_DO, RESUMABLE, MachineError, SettingInvalid
from qcqueue.launchers.base import Launch, in_a_shell
from qcqueue.text.humanize import duration

NOTICE_S = 180
EARLY_S = 60
"""How much earlier than asked for Slurm may send its notice."""

LIMIT = re.compile(
    r"(?:(?P<days>\d{1,3})-)?(?P<first>\d{1,6})(?::(?P<second>[0-5]?\d))?(?::(?P<third>[0-5]?\d))?", re.ASCII
)
PARTITION = re.compile(r"[\w.,-]{1,200}", re.ASCII)
SUBMITTED = re.compile(r"\d{1,12}(?:;[\w.-]+)?\s*", re.ASCII)

SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=qcqueue
#SBATCH --array=1-{sessions}
#SBATCH --time={time}
{wanted}#SBATCH --requeue
#SBATCH --signal=B:TERM@{notice_s}
#SBATCH --open-mode=append
#SBATCH --output=qcqueue-%A_%a.log

{exports}
# To the queue each task is a machine of its own, wherever it runs.
export QCQUEUE_CACHE={cache}/slurm-"$SLURM_ARRAY_JOB_ID"-"$SLURM_ARRAY_TASK_ID"
task="$SLURM_ARRAY_JOB_ID"_"$SLURM_ARRAY_TASK_ID"

{run}
# {resumable}: it has saved and would go on. Who has cancelled this task does not want that.
if [ "$code" -eq {resumable} ] && scontrol show job "$task" | grep -q JobState=RUNNING; then
  scontrol requeue "$task"
fi
# {nothing}: there was nothing to do.
[ "$code" -eq {nothing} ] && exit 0
exit "$code"
"""


def seconds_of(time: str) -> float:
    """Return the seconds of a time limit as Slurm writes it: minutes, H:M:S, days-hours.

    Raises: SettingInvalid: it is none.
    """
    found = LIMIT.fullmatch(time.strip())
    if found is None:
        raise SettingInvalid(
            f"--time {time!r} is no time limit of Slurm, such as 4:00:00 or 90 (minutes)", hint="--time 4:00:00"
        )
    days, first, second, third = (int(it) if it else None for it in found.group("days", "first", "second", "third"))
    if days is not None:
        return days * 86400 + (first or 0) * 3600 + (second or 0) * 60 + (third or 0)
    if third is not None:
        return (first or 0) * 3600 + (second or 0) * 60 + third
    return (first or 0) * 60 + (second or 0)


def check_time(time: str, *, begins_s: float) -> None:
    """See that a session of this time limit can save something. begins_s: from its start until the first save is safe.

    Raises: SettingInvalid: it is too short.
    """
    least_s = NOTICE_S + EARLY_S + begins_s
    if seconds_of(time) < least_s:
        minutes = int(least_s // 60) + 1
        raise SettingInvalid(
            f"--time {time} is too short to save anything: a session takes about {duration(begins_s)} to its first "
            f"save, and is told to leave {duration(NOTICE_S + EARLY_S)} before the end",
            hint=f"--time {minutes}, or more",
        )


def script(launch: Launch, *, python: str, cache: PurePath, time: str, partition: str | None) -> str:
    """Return the batch script. python: which runs qcqueue on the nodes too. Raises: SettingInvalid: no partition."""
    if partition is not None and not PARTITION.fullmatch(partition):
        raise SettingInvalid(f"--partition {partition!r} can be no partition of Slurm", hint="sinfo, which lists them")
    wanted = [f"--gres=gpu:{launch.gpus}"] if launch.gpus else []
    wanted += [f"--partition={partition}"] if partition else []
    return SCRIPT.format(
        sessions=launch.sessions,
        time=time.strip(),
        wanted="".join(f"#SBATCH {option}\n" for option in wanted),
        notice_s=NOTICE_S,
        exports="\n".join(f"export {name}={shlex.quote(value)}" for name, value in launch.environment.items()),
        cache=shlex.quote(str(cache)),
        run=in_a_shell(launch, [python, "-m", "qcqueue"]),
        resumable=RESUMABLE,
        nothing=NOTHING_TO_DO,
    )


def submit(text: str, environment: Mapping[str, str]) -> str:
    """Hand a script to Slurm, and the variables that its sessions find; return the number of the array.

    Raises: SettingInvalid: there is no Slurm. MachineError: it does not take it.
    """
    try:
        done = subprocess.run(
            ["sbatch", "--parsable"], env=environment, input=text, capture_output=True, text=True, check=False
        )
    except OSError as exc:
        raise SettingInvalid(
            "there is no sbatch here, so this machine cannot hand anything to Slurm",
            hint="type it on a login node of the cluster; or add --print, and run sbatch there",
        ) from exc
    if done.returncode or not SUBMITTED.fullmatch(done.stdout):
        said = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it says nothing")
        why = said.removeprefix("sbatch: error: ")
        hint = "the same with --gpus 0, or a --partition with GPUs; sinfo -o '%P %G' lists them"
        hint = hint if "gres" in why else "sinfo, to see what there is; then the same again"
        raise MachineError(f"Slurm did not take it: {why}", hint=hint)
    return done.stdout.strip().partition(";")[0]
