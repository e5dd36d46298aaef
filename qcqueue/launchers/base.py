"""What is to be started, whatever starts it, and the lines of shell that run a session and ask it to leave.

Always true: nothing secret is in it, for what is handed to an engine is shown to whoever looks.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qcqueue.app.context import QueueContext
from qcqueue.app.settings import Settings, named_store
from qcqueue.database.address import PASSWORD
from qcqueue.errors import SettingInvalid
from qcqueue.planning.queue_stats import look
from qcqueue.providers.base import Profile
from qcqueue.stores.registry import STORES, StoreAddress, without_secrets
from qcqueue.text.humanize import listed

JOBS_MAX = 1000
"""After how many ended jobs a session leaves though there is more: none on a cluster ends for that."""

SESSIONS_MAX = 1000

BARE = Profile(name="", title="")
"""What is measured of starts and saves is so under any provider's limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Sessions on machines that reach the queue. gpus: of each, 0 for none; environment: how they find the queue."""

    sessions: int
    gpus: int
    environment: Mapping[str, str]

    @property
    def words(self) -> tuple[str, ...]:
        """The command line of a session, after `qcqueue`."""
        return ("work", "--jobs", str(JOBS_MAX), *(["--per-gpu"] if self.gpus > 1 else []))


def launch_of(settings: Settings, *, sessions: int, gpus: int, elsewhere: bool = True) -> Launch:
    """Return what to start for the queue of these settings. elsewhere: whether other machines have to reach it.

    Raises: SettingInvalid: they cannot, or there is no such number.
    """
    for flag, value, least in (("--sessions", sessions, 1), ("--gpus", gpus, 0)):
        if not least <= value <= SESSIONS_MAX:
            raise SettingInvalid(f"{flag} is {value} and not {least} to {SESSIONS_MAX}", hint=f"{flag} {max(1, least)}")
    store = named_store(settings)
    if elsewhere and not store.kind.is_shared:
        forms = listed([kind.form for kind in STORES.values() if kind.is_shared], last="or")
        raise SettingInvalid(
            f"{store.url} is {store.kind.name}, and no other one reaches it",
            hint=f"qcqueue init --store URL in another folder, with {forms}",
        )
    return Launch(sessions=sessions, gpus=gpus, environment=_environment_of(settings, store))


def _environment_of(settings: Settings, store: StoreAddress) -> dict[str, str]:
    """Return the variables by which a session elsewhere has these settings, as far as they are no secret."""
    found = {
        "QCQUEUE_STORE": store.url,
        "QCQUEUE_DATABASE": settings.database and settings.database.url,
        "QCQUEUE_OWNER": settings.owner,
        **{name: settings.region for name in store.kind.region_from[:1]},
        **{name: settings.endpoint for name in store.kind.endpoint_from[:1]},
    }
    return {name: value for name, value in found.items() if value}


def environment_of_sessions(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what an engine that hands its own variables on is started with: of secrets, those of this queue alone."""
    database = settings.database
    given = without_secrets(environ, but_for=settings.store, on_server=database is not None)
    return given | ({PASSWORD: database.password} if database and database.password else {})


def begins_within_s(context: QueueContext) -> float:
    """Return how long a session takes from its start until something is safe, as far as this queue has measured it.

    A session that is told to leave saves wherever in an epoch it is, so of training only a step is needed.
    """
    with context.read() as tx:
        stats = look(tx, BARE, now_s=context.clock.now_s())
    return stats.start.seconds + stats.lag.seconds


SHELL = """\
session= told=
trap 'told=yes; [ -z "$session" ] || kill -TERM "$session"' TERM
{command} &
session=$!
[ -z "$told" ] || kill -TERM "$session"
wait "$session"
code=$?
# A wait that is interrupted ends before the session, which is still saving.
while [ -n "$told" ] && [ "$code" -gt 128 ]; do
  told=
  wait "$session"
  code=$?
done
"""


def in_a_shell(launch: Launch, program: Sequence[str]) -> str:
    """Return lines for any shell: they run a session, pass SIGTERM on to it, and leave its exit code in `code`.

    program: which runs qcqueue where the lines do.
    """
    return SHELL.format(command=shlex.join([*program, *launch.words]))
