"""Kaggle, as far as it is needed: what is in its secrets, since when its machine is lent, and what is left of the week.

The only place that knows `kaggle_secrets`, which exists nowhere else and is imported on use, and the program `kaggle`,
which is asked where somebody has installed it, and believed where what it says can be true. Kaggle takes no machine
back from inside: a run that was saved ends with its last cell, an open page goes on until a person stops it. Always
true: what a secret holds is returned and said nowhere.
"""

import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from qcqueue.providers.base import LiveQuota, Provider
from qcqueue.providers.programs import MOST_BYTES, answer_of
from qcqueue.stores.registry import without_secrets
from qcqueue.text.canonical_json import parse_json
from qcqueue.text.humanize import DAY_S, HOUR_S

PROC = Path("/proc")
NOT_THERE = "No user secrets exist"
"""What Kaggle's answer says of a secret that this notebook has not; the error is that of a service that failed."""

COMMAND = ("kaggle", "quota", "--format", "json")
HOURS = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)h", re.ASCII)


class Kaggle(Provider):
    """Implements `base.Provider`."""

    secret_help = "Kaggle's secret {name} (Add-ons > Secrets in the editor, attached to this notebook)"
    gpu_help = "choose GPU T4 x2 under Session options > Accelerator"
    idle_help = "stop this session, unless it is a saved run that ends by itself: it counts against your week till then"

    def secret(self, name: str, *, say: Callable[[str], None]) -> str | None:
        try:
            from kaggle_secrets import UserSecretsClient

            found = UserSecretsClient().get_secret(name)
        except Exception as exc:  # its own errors, the network's, or there is no such module
            if NOT_THERE not in str(exc):
                help = ": turn on Session options > Internet" if isinstance(exc, ConnectionError) else ""
                say(f"Kaggle did not hand over its secrets ({type(exc).__name__}){help}")
            return None
        return found if isinstance(found, str) and found else None

    def began_at_s(self, environ: Mapping[str, str]) -> float | None:
        """As promised. A session is a container of its own, and the first process in it is as old."""
        with suppress(OSError, ValueError, IndexError):
            words = (PROC / "stat").read_text().split()
            ticks = int((PROC / "1" / "stat").read_text().rpartition(")")[2].split()[19])
            return int(words[words.index("btime") + 1]) + ticks / os.sysconf("SC_CLK_TCK")
        return None

    def quota(self, environ: Mapping[str, str]) -> LiveQuota | None:
        """As promised. A program that is missing, fails, takes too long or says too much says nothing."""
        program = shutil.which(COMMAND[0], path=environ.get("PATH", ""))
        said = None
        with suppress(OSError):
            said = answer_of([program, *COMMAND[1:]], without_secrets(environ)) if program else None
        return None if said is None else quota_in(said)


def quota_in(said: bytes) -> LiveQuota | None:
    """Return the GPU time of a week as `kaggle quota --format json` says it, None for anything else."""
    begins = re.search(rb"^\[", said[:MOST_BYTES], re.MULTILINE)  # it may have a newer version to tell of before
    with suppress(ValueError, TypeError, KeyError, OverflowError, RecursionError):
        rows = [row for row in parse_json(said[begins.start() :]) if row["resource"] == "GPU"] if begins else []
        if len(rows) == 1 and len(said) <= MOST_BYTES:
            used_s, left_s, allowed_s = (_seconds(rows[0][key]) for key in ("used", "remaining", "total"))
            if left_s <= allowed_s and 0 < allowed_s <= 7 * DAY_S:
                refreshes_at_s = _moment(rows[0]["refreshAt"])
                return LiveQuota(
                    source=" ".join(COMMAND[:2]),
                    used_s=used_s,
                    left_s=left_s,
                    allowed_s=allowed_s,
                    refreshes_at_s=refreshes_at_s,
                )
    return None


def _seconds(hours: str) -> float:
    found = HOURS.fullmatch(hours)
    if not found:
        raise ValueError("no hours")
    return float(found[1]) * HOUR_S


def _moment(said: str) -> float | None:
    """Return a moment that is given in UTC, None where none is."""
    if not said:
        return None
    at = datetime.fromisoformat(said)
    at_s = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    if at_s <= 0:
        raise ValueError("long ago")
    return at_s


PROVIDER = Kaggle()
