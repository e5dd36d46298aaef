"""Kaggle, as far as a session needs it: what is in its secrets, and since when its machine is lent.

The only place that knows `kaggle_secrets`, which exists nowhere else and is imported on use. Kaggle takes no machine
back from inside: a run that was saved ends with its last cell, an open page goes on until a person stops it. Always
true: what a secret holds is returned and said nowhere.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from qcqueue.providers.base import Provider

PROC = Path("/proc")
NOT_THERE = "No user secrets exist"
"""What Kaggle's answer says of a secret that this notebook has not; the error is that of a service that failed."""


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


PROVIDER = Kaggle()
