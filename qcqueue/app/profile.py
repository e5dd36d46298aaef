"""Which provider's limits count: those of this machine for a session, those of the queue's sessions for whoever asks.

A name given in settings wins. A person's own figures, and profiles of their own, lie in `profiles.toml` in their
configuration folder. Always true: what a machine can do is found out, whatever name its limits were given.
"""

import getpass
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress

from qcqueue.app.settings import Settings
from qcqueue.errors import SettingInvalid, UnknownName
from qcqueue.providers.base import LiveQuota, Profile, Provider
from qcqueue.providers.registry import OWN_FILE, detect, profile, provider
from qcqueue.queue.sessions import SessionLine
from qcqueue.stores.registry import kind_of
from qcqueue.stores.regular import NotRegularError, read_regular
from qcqueue.text.decoding import decoded

MOST_BYTES = 64 << 10


def profile_here(settings: Settings, environment: Mapping[str, str] | None = None) -> Profile:
    """Return the profile of this machine. Raises: UnknownName, SpecInvalid, SettingInvalid."""
    return _profile(settings, settings.profile or _detected(environment))


def provider_here(environment: Mapping[str, str] | None = None) -> Provider:
    """Return what can be done on this machine."""
    return provider(_detected(environment), os.environ if environment is None else environment)


def live_quota(profile: Profile, *, now_s: float) -> LiveQuota | None:
    """Ask whoever the profile is of for what is left of the quota; it takes seconds. None where it does not say."""
    said = provider(profile.name).quota(os.environ)
    return said.believed(now_s) if said else None


def profile_and_why(settings: Settings, sessions: Iterable[SessionLine]) -> tuple[Profile, str]:
    """Return the profile of the machines that work on a queue, and in a few words why it is this one.

    It is that of its newest session that said so. Where none has, or none that this machine knows, it is what most
    likely works on such a store (Colab on Drive), or else this machine's. Raises: as `profile_here`.
    """
    if settings.profile:
        return _profile(settings, settings.profile), "named in your settings"
    for name in dict.fromkeys(line.profile for line in reversed([*sessions]) if line.profile):
        with suppress(UnknownName):  # another machine's own, or one of a later qcqueue
            return _profile(settings, name), "that of the newest session of this queue"
    if (kind := kind_of(settings.store)) and kind.profile:  # what works on it elsewhere has left its name there
        return _profile(settings, kind.profile), f"because the queue is on {kind.name} and no session has come yet"
    return _profile(settings, _detected(None)), "as this machine is, because no session has come yet"


def _profile(settings: Settings, name: str) -> Profile:
    path = settings.config / OWN_FILE
    try:
        own = decoded(read_regular(path, bytes_max=MOST_BYTES)) if path.exists() else None
    except NotRegularError as exc:
        raise SettingInvalid(f"{path} {exc}", hint=f"mend or move {path}") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingInvalid(f"{path} cannot be read: {exc}", hint=f"mend or move {path}") from exc
    return profile(name, own, file_name=str(path))


def _detected(environment: Mapping[str, str] | None) -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = ""
    return detect(os.environ if environment is None else environment, user)
