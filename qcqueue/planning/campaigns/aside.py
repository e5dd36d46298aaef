"""What a job takes apart from the others: sessions of its own, and a CPU beside the GPUs. Decides only."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from statistics import median_low

from qcqueue.clock import Rng
from qcqueue.planning.campaigns.coming import LONGEST_S, Account
from qcqueue.planning.campaigns.play import MOST_SESSIONS

WORLDS = 100


def sessions_alone(
    left_s: Mapping[str, float], account: Account, *, overhead_s: float, rng: Rng, worlds: int = WORLDS
) -> dict[str, int]:
    """Return how many sessions each job takes in the middle world, if it begins in a fresh one and has each to itself.

    left_s: seconds of training by job. overhead_s: what of a session is no training that lasts. A job that takes more
    than MOST_SESSIONS is put at that.
    """
    most_s = max(left_s.values(), default=0.0)
    rows = [_trained_s(account, most_s, overhead_s=overhead_s, rng=rng) for _ in range(worlds)]
    return {job: median_low(1 + bisect_left(row, it) for row in rows) for job, it in left_s.items()}


def for_a_cpu(gpu_s: Mapping[str, float], cpu_s: Mapping[str, float], *, within_s: float) -> str | None:
    """Return the job to give to one CPU while the GPUs train the others, None where none helps.

    All is done by a date exactly where the GPUs have ended by then what the CPU has not. So of the jobs that a CPU
    ends within_s, which is when all would be done without it, it takes the one that spares the GPUs most.
    """
    ended = [job for job, it in cpu_s.items() if it < within_s]
    return max(ended, key=lambda job: gpu_s[job], default=None)


def _trained_s(account: Account, most_s: float, *, overhead_s: float, rng: Rng) -> Sequence[float]:
    """Return the training that lasts after each of a row of sessions that comes to most_s, or to the last but one."""
    longest_s = account.allowance.allowed_s if account.allowance else LONGEST_S
    row: list[float] = []
    trained_s = 0.0
    while len(row) < MOST_SESSIONS - 1:
        trained_s += max(0.0, min(account.life.draw(rng), longest_s) - overhead_s)
        if trained_s >= most_s:
            break
        row.append(trained_s)
    return row
